# Completion of omadmctl for fish. The table is made of omadmctl's own help: WRITE=1 make test ONLY=tests/completions
# writes it. A line is a command, its options (with = those that take a text), and what its argument is, with * where
# there may be many.

function __omadmctl_table
    string split \n 'TABLE
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
TABLE' | string match -v TABLE
end

function __omadmctl_servers
    omadmctl account list --json 2>/dev/null | string match -ar '"server":"[^"]*"' | string replace -r '.*:"(.*)"' '$1'
end

function __omadmctl_keys
    omadmctl explain --json 2>/dev/null | string match -ar '"names":\[[^]]*' | string replace -r '.*\[' '' |
        string replace -a '"' '' | string split ,
end

# The ClientURIs that may be meant: roots of instances, or what is right below what was typed. The agent may take two
# seconds to say. What a shell could take for something else is left out.
function __omadmctl_uris
    if string match -q -- '*/*/*' $argv[1]
        set -l above (string replace -r '[^/]*$' '' -- $argv[1])
        timeout 2 omadmctl tree $above'?lv=1' --json 2>/dev/null |
            string match -ar '"uri":"[A-Za-z0-9:/._~%-]*[A-Za-z0-9._~%-]"' | string replace -r '.*":"(.*)"' '$1'
    else
        timeout 2 omadmctl mo list --json 2>/dev/null |
            string match -ar '"instances":\[[^]]*\]' | string match -ar '"[A-Za-z0-9:/._~%-]*/"' | string trim -c '"'
    end
end

function __omadmctl_complete
    set -l current (commandline -ct)
    set -l before (commandline -opc)[2..-1]
    # The table knows which options have a text behind them.
    set -l texts (__omadmctl_table | string match -ar -- '--[a-z-]+(?==)')
    set -l given
    set -l previous
    for word in $before
        string match -q -- '-*' $word; or contains -- "$previous" $texts; or set -a given $word
        set previous $word
    end
    # What stands behind help is a command, and nothing else.
    set -l helped
    if test "$given[1]" = help
        set helped 1
        set -e given[1]
    end
    set -l last (commandline -opc)[-1]
    set -l nexts
    for line in (__omadmctl_table)
        set -l fields (string split '|' -- $line)
        if test (count $given) -gt 0; and contains -- $fields[1] $given[1] "$given[1] $given[2]"
            test -n "$helped"; and return
            set -l options (string split -n ' ' -- $fields[2])
            if contains -- $last= $options
                switch $last
                    case --secret-file
                        __fish_complete_path $current
                    case --sysroot
                        __fish_complete_directories $current
                    case --server-id
                        __omadmctl_servers
                    case --mark
                        printf '%s\n' fatal critical minor warning informational harmless indeterminate
                    case --prefer
                        printf '%s\n' mobile wireless wireline any
                end
            else if string match -q -- '-*' $current
                # What is there already is not offered again.
                for option in (string replace = '' -- $options) --json --help
                    contains -- $option $before; or echo $option
                end
            else if string match -q -- '*\*' $fields[3]; or test (count $given) -le (count (string split ' ' -- $fields[1]))
                # Nor is another argument, where the command takes one.
                switch (string replace '*' '' -- $fields[3])
                    case server
                        __omadmctl_servers
                    case key
                        __omadmctl_keys
                    case uri
                        __omadmctl_uris $current
                    case dir
                        __fish_complete_directories $current
                    case file
                        __fish_complete_path $current
                end
            end
            return
        end
        set -l words (string split ' ' -- $fields[1])
        switch (count $given)
            case 0
                set -a nexts $words[1]
            case 1
                test "$words[1]" = "$given[1]"; and set -a nexts $words[2]
        end
    end
    if test -z "$helped"
        test (count $given) -eq 0; and set -a nexts help
        string match -q -- '-*' $current; and set nexts --json --help --version
    end
    printf '%s\n' $nexts | sort -u
end

complete -c omadmctl -f -a '(__omadmctl_complete)'
