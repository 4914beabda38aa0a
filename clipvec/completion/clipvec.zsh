_clipvec() {
    local -a found
    found=("${(@f)$(clipvec completion zsh --line "${(j: :)words[1,CURRENT-1]} $PREFIX" 2> /dev/null)}")
    if [[ -z $found ]]; then
        compset -P '*[=:]'
        _files
        return
    fi
    compadd -S '' -- ${(M)found:#*[.=]}
    compadd -- ${found:#*[.=]}
}
compdef _clipvec PROGRAMS
