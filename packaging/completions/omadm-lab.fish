# Completion of omadm-lab for fish. The table is made of its own help: WRITE=1 make test ONLY=tests/completions writes it. A
# line is a command, and its options, with = those that take a text.

function __omadm_lab_table
    string split \n 'TABLE
demo|--once --script= --verbose
serve|--listen= --host= --accounts= --script= --verbose
notify|--server-id= --secret-file= --request-mos --request= --prefer=
help|
TABLE' | string match -v TABLE
end

function __omadm_lab_complete
    set -l current (commandline -ct)
    set -l before (commandline -opc)
    set -l last $before[-1]
    set -l offered
    set -l options
    for line in (__omadm_lab_table)
        set -l fields (string split '|' -- $line)
        if test (count $before) -eq 1; or test "$before[2]" = help -a (count $before) -eq 2
            set -a offered $fields[1]
        else if test "$before[2]" = $fields[1]
            set options (string split -n ' ' -- $fields[2])
            set offered (string replace = '' -- $options) --help
        end
    end
    test (count $before) -eq 1; and set -a offered --help --version
    switch $last
        case --script --secret-file
            __fish_complete_path $current
        case --accounts
            __fish_complete_directories $current
        case --prefer
            printf '%s\n' any mobile wireless wireline
        case '*'
            contains -- $last= $options; or printf '%s\n' $offered
    end
end

complete -c omadm-lab -f -a '(__omadm_lab_complete)'
