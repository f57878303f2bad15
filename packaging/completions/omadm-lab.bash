# Completion of omadm-lab for bash. The table is made of its own help: WRITE=1 make test ONLY=tests/completions writes it. A
# line is a command, and its options, with = those that take a text.

_omadm_lab_table() {
    cat <<'TABLE'
demo|--once --script= --verbose
serve|--listen= --host= --accounts= --script= --verbose
notify|--server-id= --secret-file= --request-mos --request= --prefer=
help|
TABLE
}

_omadm_lab() {
    local current=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} line options words=''
    while IFS='|' read -r line options; do
        if [[ $COMP_CWORD -eq 1 || $command == help && $COMP_CWORD -eq 2 ]]; then
            words+=" $line"
        elif [[ $line == "$command" ]]; then
            words="$options --help"
        fi
    done < <(_omadm_lab_table)
    case $last in
        --script | --secret-file)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        --accounts)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return ;;
        --prefer) words='any mobile wireless wireline' ;;
        *) case " $words " in *" $last= "*) words='' ;; esac ;;
    esac
    [[ $COMP_CWORD -eq 1 ]] && words+=' --help --version'
    mapfile -t COMPREPLY < <(compgen -W "${words//=/}" -- "$current")
}

complete -F _omadm_lab omadm-lab
