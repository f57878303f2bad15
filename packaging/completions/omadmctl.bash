# Completion of omadmctl for bash. The table is made of omadmctl's own help: WRITE=1 make test ONLY=tests/completions
# writes it. A line is a command, its options (with = those that take a text), and what its argument is, with * where
# there may be many.

_omadmctl_table() {
    cat <<'TABLE'
status||server
session start||server
session list||
get||
tree||
set|--dry-run|
exec|--dry-run --wait|
alert raise|--source= --target= --mark= --mime= --data=|
alert list||
alert drop||server
account list||
account test||server
config-request||
config check||file
reload||
notify|--server-id= --secret-file= --request-mos --prefer= --id=|
report||dir
ddf show||file*
ddf check||file*
mo check|--read --sysroot=|dir*
mo ddf||dir
mo new||file
mo read|--sysroot=|dir*
explain|--page=|
TABLE
}

_omadmctl() {
    local current=${COMP_WORDS[COMP_CWORD]} words=() word previous='' options kind line found='' room='' nexts=''
    # The table knows which options have a text behind them.
    local texts
    texts=" $(_omadmctl_table | grep -o -e '--[a-z-]*=' | tr -d = | sort -u | tr '\n' ' ')"
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
            -*) ;;
            *) case "$texts" in *" ${previous:-none} "*) ;; *) words+=("$word") ;; esac ;;
        esac
        previous=$word
    done
    local one=${words[0]-} both="${words[0]-} ${words[1]-}"
    while IFS='|' read -r line options kind; do
        case $line in
            "$one" | "$both") found=$line; break ;;
        esac
        case ${#words[@]} in
            0) nexts+=" ${line%% *}" ;;
            1) case $line in "$one "*) nexts+=" ${line#* }" ;; esac ;;
        esac
    done < <(_omadmctl_table)
    COMPREPLY=()
    if [[ -z $found ]]; then
        [[ $current == -* ]] && nexts=" --json --help --version"
        mapfile -t COMPREPLY < <(compgen -W "$nexts" -- "$current" | sort -u)
        return
    fi
    # The text of an option is mostly a file's name.
    local last=${COMP_WORDS[COMP_CWORD-1]}
    case " $options " in *" $last= "*) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;; esac
    if [[ $current == -* ]]; then
        # What is there already is not offered again.
        nexts=
        for word in ${options//=/} --json --help; do
            case " ${COMP_WORDS[*]:1:COMP_CWORD-1} " in *" $word "*) ;; *) nexts+=" $word" ;; esac
        done
        mapfile -t COMPREPLY < <(compgen -W "$nexts" -- "$current")
        return
    fi
    # Nor is another argument, where the command takes one.
    room=${found//[! ]/}
    [[ $kind == *'*' || ${#words[@]} -le $((${#room} + 1)) ]] || return
    case ${kind%'*'} in
        server)
            local servers
            servers=$(omadmctl account list --json 2>/dev/null | grep -o '"server":"[^"]*"' | cut -d '"' -f 4)
            mapfile -t COMPREPLY < <(compgen -W "$servers" -- "$current") ;;
        dir) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        file) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    esac
}

complete -o filenames -F _omadmctl omadmctl
