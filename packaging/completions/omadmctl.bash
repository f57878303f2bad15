# Completion of omadmctl for bash. The table is made of omadmctl's own help: WRITE=1 make test ONLY=tests/completions
# writes it. A line is a command, its options (with = those that take a text), and what its argument is, with * where
# there may be many.

_omadmctl_table() {
    cat <<'TABLE'
status||server
session start||server
session list||
get||uri
tree||uri
set|--dry-run|
exec|--dry-run --wait|uri
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
mo list||file
mo check|--read --sysroot=|dir*
mo ddf||dir
mo new||file
mo read|--sysroot=|dir*
explain|--page=|key
TABLE
}

# What comes is a file's or folder's name, -f or -d: readline puts / behind a folder's, and quotes what must be.
_omadmctl_paths() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

_omadmctl_servers() {
    omadmctl account list --json 2>/dev/null | grep -o '"server":"[^"]*"' | cut -d '"' -f 4
}

_omadmctl_keys() {
    omadmctl explain --json 2>/dev/null | grep -o '"names":\[[^]]*' | cut -d '[' -f 2 | tr -d '"' | tr ',' '\n'
}

# The ClientURIs that may be meant: roots of instances, or what is right below what was typed. The agent may take two
# seconds to say. What a shell could take for something else is left out.
_omadmctl_uris() {
    case $1 in
        */*/*)
            timeout 2 omadmctl tree "${1%/*}/?lv=1" --json 2>/dev/null |
                grep -o '"uri":"[A-Za-z0-9:/._~%-]*[A-Za-z0-9._~%-]"' | cut -d '"' -f 4 ;;
        *)
            timeout 2 omadmctl mo list --json 2>/dev/null |
                grep -o '"instances":\[[^]]*\]' | grep -o '"[A-Za-z0-9:/._~%-]*/"' | tr -d '"' ;;
    esac
}

_omadmctl() {
    local all=() words=() word previous='' options kind line found='' room='' nexts=''
    # readline takes the parts of a ClientURI, between colons, for words.
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ $word == :* && ${#all[@]} -gt 1 || $previous == *: && -n $word ]]; then
            all[${#all[@]}-1]+=$word
        else
            all+=("$word")
        fi
        previous=$word
    done
    local COMP_WORDS=("${all[@]}") COMP_CWORD=$((${#all[@]} - 1)) current=${all[${#all[@]}-1]}
    previous=''
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
    # What stands behind help is a command, and nothing else.
    local helped=''
    if [[ ${words[0]-} == help ]]; then
        helped=1
        words=("${words[@]:1}")
    fi
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
    [[ -n $helped && -n $found ]] && return
    if [[ -z $found ]]; then
        if [[ -z $helped ]]; then
            [[ ${#words[@]} -eq 0 ]] && nexts+=' help'
            [[ $current == -* ]] && nexts=' --json --help --version'
        fi
        mapfile -t COMPREPLY < <(compgen -W "$nexts" -- "$current" | sort -u)
        return
    fi
    local last=${COMP_WORDS[COMP_CWORD-1]}
    case " $options " in
        *" $last= "*)
            case $last in
                --secret-file) _omadmctl_paths -f "$current" ;;
                --sysroot) _omadmctl_paths -d "$current" ;;
                --server-id) mapfile -t COMPREPLY < <(compgen -W "$(_omadmctl_servers)" -- "$current") ;;
                --mark)
                    nexts='fatal critical minor warning informational harmless indeterminate'
                    mapfile -t COMPREPLY < <(compgen -W "$nexts" -- "$current") ;;
                --prefer) mapfile -t COMPREPLY < <(compgen -W 'mobile wireless wireline any' -- "$current") ;;
            esac
            return ;;
    esac
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
        server) mapfile -t COMPREPLY < <(compgen -W "$(_omadmctl_servers)" -- "$current") ;;
        key) mapfile -t COMPREPLY < <(compgen -W "$(_omadmctl_keys)" -- "$current") ;;
        uri)
            compopt -o nospace 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -W "$(_omadmctl_uris "$current")" -- "$current")
            # What stands before the last colon is on the line already.
            COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}") ;;
        dir) _omadmctl_paths -d "$current" ;;
        file) _omadmctl_paths -f "$current" ;;
    esac
}

complete -F _omadmctl omadmctl
