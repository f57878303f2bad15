# Completion of omadmd for fish: the options that its help has.

complete -c omadmd -f
complete -c omadmd -l config -r -F
complete -c omadmd -l check
complete -c omadmd -l help
complete -c omadmd -l version
