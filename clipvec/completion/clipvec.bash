_clipvec() {
    local typed=${COMP_WORDS[COMP_CWORD]} breaks=$COMP_WORDBREAKS found
    COMPREPLY=()
    while IFS= read -r found; do
        [[ ! $found ]] || COMPREPLY+=("$found")
    done < <(clipvec completion bash --line "${COMP_LINE:0:COMP_POINT}" 2> /dev/null)
    if [[ ! ${COMPREPLY[0]-} ]]; then
        # Where = breaks no words, bash would look for files whose names begin with the option's.
        if [[ $typed == *=* && ($breaks != *=* || $typed == [\"\']*) ]]; then
            typed=${typed#[\"\']}
            _clipvec_files "${typed%"${typed##*=}"}" "${typed##*=}"
        fi
        return 0
    fi
    # More of the word is to come.
    [[ ${COMPREPLY[0]} != *[.=] ]] || compopt -o nospace 2> /dev/null || true
    # Bash replaces what follows the last =, so long as that breaks words; in quotes it does not.
    if [[ ${COMPREPLY[0]} == *=?* && $breaks == *=* && $typed != [\"\']*=* ]]; then
        COMPREPLY=("${COMPREPLY[@]##*=}")
    fi
    return 0
}
_clipvec_files() {
    local file
    compopt -o filenames 2> /dev/null || true
    while IFS= read -r file; do
        if [[ -d $file ]]; then
            file+=/
            compopt -o nospace 2> /dev/null || true
        fi
        COMPREPLY+=("$1$file")
    done < <(compgen -f -- "$2")
}
# Bash itself completes files where there is nothing else.
complete -o default -F _clipvec PROGRAMS
