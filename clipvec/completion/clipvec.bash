_clipvec() {
    local IFS=$'\n'
    COMPREPLY=($(clipvec completion bash --line "${COMP_LINE:0:COMP_POINT}" 2> /dev/null))
    # More of the word is to come.
    [[ ${COMPREPLY[0]-} != *[.=] ]] || compopt -o nospace 2> /dev/null
    # Bash replaces what follows the last =, so long as that breaks words.
    if [[ ${COMPREPLY[0]-} == *=?* && $COMP_WORDBREAKS == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]##*=}")
    fi
}
# Bash itself completes files where there is nothing else.
complete -o default -F _clipvec PROGRAMS
