# Completion of omadmd for bash: the options that its help has.

_omadmd() {
    local current=${COMP_WORDS[COMP_CWORD]}
    if [[ ${COMP_WORDS[COMP_CWORD-1]} == --config ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -W '--config --check --help --version' -- "$current")
    fi
}

complete -F _omadmd omadmd
