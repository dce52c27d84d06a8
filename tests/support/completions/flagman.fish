# Completion of flagman and flagmanctl for fish, version 3.1 or newer. It is made of the tables of options, actions and verbs.

# Prints the kind of value of an option; a question mark means that it may be left out.
function __flagman_kind
    switch $argv[1]
@KINDS@
    end
end

# Prints the kind of the word before an action.
function __flagman_source_kind
    switch $argv[1]
@SOURCES@
        case '*'
            return 1
    end
end

# Prints the fewest and the most words of an action, and what each of them is.
function __flagman_action
    switch $argv[1]
@ACTIONS@
        case '*'
            printf '%s\n' 0 1000000
    end
end

function __flagmanctl_kind
    switch $argv[1]
@CTL_KINDS@
    end
end

# Prints what the words after a verb are; three dots mean that there may be several.
function __flagmanctl_words
    switch $argv[1]
@VERBS@
    end
end

function __flagmanctl_options --no-scope-shadowing
    switch $argv[1]
@VERB_OPTIONS@
    end
end

function __flagman_sources --no-scope-shadowing
@SOURCE_NAMES@
end

function __flagman_options --no-scope-shadowing
@OPTION_NAMES@
end

# Offers an option by all of its names, unless it is given already; the explanation is last.
function __flagman_once --no-scope-shadowing
    for name in $argv[1..-2]
        if contains -- $name $given
            return
        end
    end
    __flagman_again $argv
end

function __flagman_again --no-scope-shadowing
    for name in $argv[1..-2]
        printf '%s\t%s\n' $name $argv[-1]
    end
end

# Offers files that begin with what is typed. fish completes them for a command that it does not know; nothing is run.
function __flagman_files --no-scope-shadowing
    set -l files (complete -C "__flagman_unknown_command $raw")
    printf '%s\n' $lead$files
end

# Offers signals as they are typed, with SIG or without; those of real time only after an R.
function __flagman_signals --no-scope-shadowing
    set -l sig (string match -ri '^sig' -- $typed | string upper)
    for line in $argv
        if string match -q 'RT*' -- $line; and not string match -qi '*r*' -- $typed
            continue
        end
        printf '%s\n' "$lead$sig$line"
    end
end

# Prints the names of the processes in the configuration file, which is read, and never run.
function __flagman_read_file
    set -l file $argv[1]
    if string match -q '~/*' -- $file
        set file $HOME/(string sub -s 3 -- $file)
    end
    if test -n "$file" -a -f "$file" -a -r "$file"
        string match -r '^\s*\[\s*process\s*\.\s*["\']?[A-Za-z0-9][A-Za-z0-9._-]*["\']?\s*\]' <$file | string replace -r '^\s*\[\s*process\s*\.\s*["\']?([A-Za-z0-9._-]+)["\']?\s*\]$' '$1'
    end
end

# Prints the names of the daemons that have a socket where flagmanctl looks.
function __flagman_read_sockets
    set -l folders (string split -n : -- "$RUNTIME_DIRECTORY")
    if test -n "$XDG_RUNTIME_DIR"
        set -a folders $XDG_RUNTIME_DIR/flagman
    end
    for folder in $folders /run/flagman
        for file in $folder/*.sock $folder/*/*.sock
            if test -S $file
                string replace -r '^.*/(.*)\.sock$' '$1' -- $file
            end
        end
    end
end

# Prints the names of the flags, or of the processes, of the daemon that is meant: nothing but the daemon knows them.
function __flagman_ask
    set -l json (command flagmanctl status --json $argv[2..-1] 2>/dev/null </dev/null)
    string match -ra '\{"name": "[^"\\\\]*", "'$argv[1]'":' -- $json | string replace -r '^\{"name": "(.*)", "\w+":$' '$1'
end

# Offers values of a kind: $lead is what stands before the value in the same word, $typed is what is typed of it.
function __flagman_value --no-scope-shadowing
    set -l kind_of_value (string replace -r '\?$' '' -- "$argv[1]")
    switch $kind_of_value
        case file
            __flagman_files
        case dir
            __flagman_files | string match -r '.*/$'
        case user
            printf '%s\n' $lead(__fish_complete_users)
        case group
            printf '%s\n' $lead(__fish_complete_groups)
        case action
            printf '%s\n' $lead@ACTION_NAMES@
        case signal
            __flagman_signals @BINDABLE@
        case any-signal
            __flagman_signals @SIGNALS@
        case shell-command
            complete -C "$raw"
        case process
            printf '%s\n' $lead(__flagman_read_file $config)
        case event
            printf '%s\n' $lead(__flagman_read_file $config):@EVENTS@
        case target
            printf '%s\n' $lead'process:'(__flagman_read_file $config)
            if string match -q 'pidfile:*' -- $typed
                set lead {$lead}pidfile:
                set raw (string replace -r '^[^:]*:' '' -- $raw)
                __flagman_files
            else
                printf '%s\t%s\n' pidfile: 'the process that a file names'
            end
        case running
            printf '%s\n' $lead(__flagman_ask wanted $daemon)
        case running-target
            printf '%s\n' $lead'process:'(__flagman_ask wanted $daemon)
        case flag
            printf '%s\n' $lead(__flagman_ask trigger $daemon)
        case daemon
            printf '%s\n' $lead(__flagman_read_sockets)
        case 'one-of:*'
            printf '%s\n' $lead(string split , -- (string replace 'one-of:' '' -- $kind_of_value))
    end
end

# Completes a command, of which the first words are given, as if nothing stood before it.
function __flagman_command
    complete -C (string join ' ' -- (string escape -- $argv) (commandline -ct))
end

# Sets raw and typed: the word at the cursor, with its quotes and without.
function __flagman_read --no-scope-shadowing
    set raw (commandline -ct)
    set typed (string unescape -- $raw 2>/dev/null; or string trim -l -c '"\'' -- $raw)
    set lead ''
end

function __flagman_read_lead --no-scope-shadowing
    set lead (string match -r '^[^=]*=' -- $typed)
    set raw (string replace -r '^[^=]*=' '' -- $raw)
    set typed (string replace -r '^[^=]*=' '' -- $typed)
end

function __flagman_complete
    set -l words (commandline -opc)
    set -l state own
    set -l kind ''
    set -l command
    set -l is_verbatim no
    set -l position 0
    set -l action
    set -l config ''
    set -l is_config no
    set -l given
    set -l daemon
    set -l raw
    set -l typed
    set -l lead
    __flagman_read
    for index in (seq 2 (count $words))
        set -l word $words[$index]
        set -l name (string replace -r '=.*' '' -- "$word")
        switch $state
            case value
                set state own
                if test $is_config = yes
                    set config $word
                end
                continue
            case optional
                set state own
                if not string match -q -- '-*' "$word"
                    continue
                end
            case source
                set state action
                continue
            case action
                set action (__flagman_action "$word")
                set state arguments
                set position 0
                set is_verbatim no
                set command
                continue
            case arguments
                if test "$word" = ';'
                    set state own
                    continue
                else if test $is_verbatim = yes
                    set position (math $position + 1)
                    set -a command $word
                    continue
                else if test "$word" = --; and test $position = 0
                    set is_verbatim yes
                    continue
                else if test "$word" != --; and not __flagman_source_kind "$name" >/dev/null
                    set kind (__flagman_kind "$name")
                    if test $action[2] = 1000000
                        or not string match -q -- '-?*' "$word"
                        or begin
                            test $position -lt $action[2]
                            and not begin
                                string match -q -- '--*' "$word"
                                and test -n "$kind"
                            end
                        end
                        set position (math $position + 1)
                        set -a command $word
                        continue
                    end
                end
        end
        if test "$word" = --
            set command
            if test $index -lt (count $words)
                set command $words[(math $index + 1)..-1]
            end
            __flagman_command $command
            return
        end
        if set kind (__flagman_source_kind "$name")
            if string match -q '*=*' -- "$word"
                set state own
            else if test -n "$kind"
                set state source
            else
                set state action
            end
            continue
        end
        set kind (__flagman_kind "$name")
        set state own
        set is_config no
        set -a given $name
        if test "$word" = -c; or test "$word" = --config; or string match -qr -- '^-[@SWITCHES@]+c$' "$word"
            set state value
            set kind file
            set is_config yes
        else if string match -q -- '--config=*' "$word"
            set config (string replace -r '^[^=]*=' '' -- $word)
        else if string match -q -- '-c*' "$word"
            set config (string sub -s 3 -- $word)
        else if not string match -q '*=*' -- "$word"
            switch "$kind"
                case '' switch
                case '*\?'
                    set state optional
                case '*'
                    set state value
            end
        end
    end
    switch $state
        case value source
            __flagman_value $kind
        case action
            __flagman_value action
        case arguments
            if test "$action[3]" = command
                __flagman_command $command
                if test $position -gt 0; and test $is_verbatim = no; and string match -q -- '-*' "$typed"
                    __flagman_sources
                end
                return
            end
            if test $position -lt $action[2]
                set -l at (math 3 + $position)
                __flagman_value "$action[$at]"
            end
            if test $is_verbatim = no; and test $position -ge $action[1]
                if test $action[2] = 1000000
                    __flagman_sources
                else if test -n "$typed"; or test $position -ge $action[2]
                    __flagman_sources
                    __flagman_options
                end
            end
        case '*'
            if test $state = optional; and not string match -q -- '-*' "$typed"
                __flagman_value $kind
            else if string match -q -- '--*=*' "$typed"
                __flagman_read_lead
                set -l name (string trim -r -c = -- $lead)
                if set kind (__flagman_source_kind $name)
                    test -n "$kind"; or set kind action
                else
                    set kind (__flagman_kind $name)
                end
                __flagman_value "$kind"
            else
                __flagman_sources
                __flagman_options
            end
    end
end

function __flagmanctl_complete
    set -l words (commandline -opc)
    set -l state own
    set -l kind ''
    set -l option
    set -l verb ''
    set -l position 1
    set -l config ''
    set -l given
    set -l daemon
    set -l raw
    set -l typed
    set -l lead
    __flagman_read
    for word in $words[2..-1]
        if test $state = value
            set state own
            if contains -- $option --name --control --pid-file
                set -a daemon $option=$word
            end
            continue
        else if test $state = optional; and string match -qr '^[0-9]' -- "$word"
            set state own
            continue
        else if test $state = optional
            set state own
        end
        if test "$word" = --
            set state words
        else if test $state != words; and string match -q -- '-?*' "$word"
            set option (string replace -r '=.*' '' -- $word)
            set -a given $option
            set kind (__flagmanctl_kind $option)
            if string match -q '*=*' -- $word
                if contains -- $option --name --control --pid-file
                    set -a daemon $word
                end
            else
                switch "$kind"
                    case '' switch
                    case '*\?'
                        set state optional
                    case '*'
                        set state value
                end
            end
        else if test -z "$verb"
            set verb "$word"
        else
            set position (math $position + 1)
        end
    end
    if test $state = value
        __flagman_value $kind
    else if test $state != words; and string match -q -- '--*=*' "$typed"
        __flagman_read_lead
        __flagman_value (__flagmanctl_kind (string trim -r -c = -- $lead))
    else if test $state != words; and string match -q -- '-*' "$typed"
        __flagmanctl_options "$verb"
    else if test -z "$verb"
@VERB_NAMES@
    else
        set -l kinds (__flagmanctl_words "$verb")
        if test "$kinds[-1]" = ...
            set position 1
        end
        if set -q kinds[$position]
            __flagman_value $kinds[$position]
        end
    end
end

complete -c flagman -f -a '(__flagman_complete)'
complete -c flagmanctl -f -a '(__flagmanctl_complete)'
