#compdef flagman flagmanctl
# Completion of flagman and flagmanctl for zsh. It is made of the tables of options, actions and verbs.

# Sets kind to the kind of value of an option; a question mark means that it may be left out.
_flagman_kind() {
    kind=
    case $1 in
@KINDS@
    esac
}

_flagman_source_kind() {
    kind=
    case $1 in
@SOURCES@
    *) return 1 ;;
    esac
}

# The fewest and the most words of an action, and what each of them is.
_flagman_action() {
    least=0 most=1000000 kinds=()
    case $1 in
@ACTIONS@
    esac
}

_flagmanctl_kind() {
    kind=
    case $1 in
@CTL_KINDS@
    esac
}

# What the words after a verb are, and its options.
_flagmanctl_verb() {
    kinds=() several= options=()
    case $1 in
@VERBS@
    esac
}

# Offers words with explanations, each NAME:EXPLANATION, in which a colon of the name has a backslash.
_flagman_offer() {
    local title=$1
    shift
    local -a offered=("$@")
    _describe -t "${title// /-}" "$title" offered
}

# Offers options that are not given yet, or that may be given again: all names, a space, an explanation.
_flagman_options() {
    local option name
    local -a names found=()
    for option in "$@"; do
        names=(${(s:|:)option%% *})
        for name in $names; do
            if [[ $name != *+ ]] && (( ${given[(Ie)$name]} )); then
                continue 2
            fi
        done
        for name in $names; do
            found+=("${name%+}:${option#* }")
        done
    done
    _flagman_offer option $found
}

# Offers signals as they are typed, with SIG or without; those of real time only after an R.
_flagman_signals() {
    local line sig=
    local -a found=()
    if [[ $PREFIX == [sS][iI][gG]* ]]; then
        sig=SIG
    fi
    for line in "$@"; do
        if [[ $line == RT* && $PREFIX != *[rR]* ]]; then
            continue
        fi
        found+=("$sig$line")
    done
    if [[ $PREFIX == [a-z]* ]]; then
        found=("${(@L)found}")
    fi
    _flagman_offer signal $found
}

# Sets names to those of the processes in the configuration file, which is read, and never run.
_flagman_read_file() {
    local line file=$config
    names=()
    if [[ $file == \~/* ]]; then
        file=$HOME/${file#\~/}
    fi
    if [[ -f $file && -r $file ]]; then
        while IFS= read -r line || [[ -n $line ]]; do
            line=${line//[[:space:]\"\']/}
            if [[ $line == \[process.[A-Za-z0-9]*\]* ]]; then
                line=${${line#\[process.}%%\]*}
                if [[ $line != *[^A-Za-z0-9._-]* ]]; then
                    names+=($line)
                fi
            fi
        done <$file
    fi
}

# Sets names to those of the daemons that have a socket where flagmanctl looks.
_flagman_read_sockets() {
    local folder
    names=()
    for folder in ${(s.:.)RUNTIME_DIRECTORY-} ${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/flagman} /run/flagman; do
        names+=($folder/*.sock(N=:t:r) $folder/*/*.sock(N=:t:r))
    done
}

# Sets names to those of the flags, or of the processes, of the daemon that is meant: nothing but the daemon knows them.
_flagman_ask() {
    local json= rest part
    names=()
    IFS= read -r -t 2 json < <(command flagmanctl status --json $daemon 2>/dev/null </dev/null) || return 0
    rest=$json
    while [[ $rest == *'{"name": "'* ]]; do
        rest=${rest#*'{"name": "'}
        part=${rest%%\"*}
        if [[ $part != *\\* && ${rest:${#part}} == "\", \"$1\":"* ]]; then
            names+=("$part")
        fi
    done
}

# Offers names, after a text that stands before each.
_flagman_names() {
    local title=$1 front=$2
    shift 2
    local expl
    if [[ -n $front ]]; then
        compset -P "${(b)front}" || return 0
    fi
    if (( $# )); then
        _wanted "${title// /-}" expl "$title" compadd -a names
    else
        _message "$title"
    fi
}

# Offers values of a kind.
_flagman_value() {
    local -a names=()
    local name expl
    case ${1%\?} in
    file) _files ;;
    dir) _files -/ ;;
    user) _users ;;
    group) _groups ;;
    action) _flagman_offer action @ACTION_NAMES@ ;;
    signal) _flagman_signals @BINDABLE@ ;;
    any-signal) _flagman_signals @SIGNALS@ ;;
    shell-command) _command_names -e ;;
    process)
        _flagman_read_file
        _flagman_names process '' $names
        ;;
    running)
        _flagman_ask wanted
        _flagman_names process '' $names
        ;;
    event)
        if compset -P '*:'; then
            names=(@EVENTS@)
            _flagman_names event '' $names
        else
            _flagman_read_file
            _wanted process expl process compadd -qS : -a names
        fi
        ;;
    target | running-target)
        if [[ $PREFIX == process:* ]]; then
            if [[ $1 == target ]]; then
                _flagman_read_file
            else
                _flagman_ask wanted
            fi
            _flagman_names process process: $names
        elif [[ $1 == target ]] && compset -P pidfile:; then
            _files
        else
            names=(process:)
            if [[ $1 == target ]]; then
                names+=(pidfile:)
            fi
            _wanted target expl target compadd -S '' -a names
        fi
        ;;
    flag)
        _flagman_ask trigger
        _flagman_names flag '' $names
        ;;
    daemon)
        _flagman_read_sockets
        _flagman_names daemon '' $names
        ;;
    one-of:*)
        names=(${(s:,:)1#one-of:})
        _flagman_names value '' $names
        ;;
    *) _message value ;;
    esac
}

# Completes a command whose name is the given word, as if nothing stood before it.
_flagman_command() {
    shift $(( $1 - 1 )) words
    (( CURRENT -= $1 - 1 ))
    _normal
}

# Sets typed to the words without their quotes; nothing is evaluated.
_flagman_read() {
    local word
    typed=()
    for word in "${(@)words[1,CURRENT-1]}"; do
        typed+=("${(Q)word}")
    done
    current=${(Q)PREFIX}
}

_flagman_line() {
    local kind word name current state=own is_verbatim= is_config= config= is_option=
    local -a typed kinds=() given=()
    local -i index least=0 most=0 position=0 action_at=0
    _flagman_read
    for (( index = 2; index < CURRENT; index += 1 )); do
        word=$typed[index]
        name=${word%%=*}
        case $state in
        value)
            state=own
            if [[ -n $is_config ]]; then
                config=$word
            fi
            continue
            ;;
        optional)
            state=own
            if [[ $word != -* ]]; then
                continue
            fi
            ;;
        source)
            state=action
            continue
            ;;
        action)
            _flagman_action "$word"
            state=arguments position=0 is_verbatim= action_at=index+1
            continue
            ;;
        arguments)
            if [[ $word == ';' ]]; then
                state=own
                continue
            elif [[ -n $is_verbatim ]]; then
                position+=1
                continue
            elif [[ $word == -- && $position == 0 ]]; then
                is_verbatim=1 action_at=index+1
                continue
            elif [[ $word != -- ]] && ! _flagman_source_kind "$name"; then
                _flagman_kind "$name"
                if (( most == 1000000 )) || [[ $word != -?* ]] ||
                    { [[ $word != --* || -z $kind ]] && (( position < most )) }; then
                    position+=1
                    continue
                fi
            fi
            ;;
        esac
        if [[ $word == -- ]]; then
            _flagman_command $(( index + 1 ))
            return
        fi
        if _flagman_source_kind "$name"; then
            if [[ $word == *=* ]]; then
                state=own
            elif [[ -n $kind ]]; then
                state=source
            else
                state=action
            fi
            continue
        fi
        _flagman_kind "$name"
        state=own is_config=
        given+=("$name")
        case $word in
        -c | --config | -[@SWITCHES@]*c) state=value is_config=1 kind=file ;;
        --config=*) config=${word#*=} ;;
        -c*) config=${word#-c} ;;
        *=*) ;;
        *)
            case $kind in
            '' | switch) ;;
            *\?) state=optional ;;
            *) state=value ;;
            esac
            ;;
        esac
    done
    if [[ $current == -* || -z $current ]]; then
        is_option=1
    fi
    case $state in
    value | source) _flagman_value "$kind" ;;
    action) _flagman_value action ;;
    optional | own)
        if [[ $state == optional && $current != -* ]]; then
            _flagman_value "$kind"
        elif [[ $current == --*=* ]]; then
            name=${current%%=*}
            if _flagman_source_kind "$name"; then
                kind=${kind:-action}
            else
                _flagman_kind "$name"
            fi
            compset -P 1 '*='
            _flagman_value "$kind"
        elif [[ -n $is_option ]]; then
            _flagman_options $_flagman_sources $_flagman_others
        fi
        ;;
    arguments)
        if [[ $kinds[1] == command ]]; then
            if [[ $position -gt 0 && -z $is_verbatim && $current == -* ]]; then
                _flagman_options $_flagman_sources
            fi
            _flagman_command $action_at
            return
        fi
        if (( position < most )); then
            _flagman_value "$kinds[position+1]"
        fi
        if [[ -n $is_option && -z $is_verbatim ]] && (( position >= least )); then
            if (( most == 1000000 )); then
                _flagman_options $_flagman_sources
            elif [[ -n $current ]] || (( position >= most )); then
                _flagman_options $_flagman_sources $_flagman_others
            fi
        fi
        ;;
    esac
}

_flagmanctl_line() {
    local kind word current verb= state=own several= option= config=
    local -a typed kinds=() options=() given=() daemon=()
    local -i position=1
    _flagman_read
    for word in "${(@)typed[2,-1]}"; do
        if [[ $state == value ]]; then
            state=own
            case $option in
            --name | --control | --pid-file) daemon+=("$option=$word") ;;
            esac
            continue
        elif [[ $state == optional && $word == [0-9]* ]]; then
            state=own
            continue
        elif [[ $state == optional ]]; then
            state=own
        fi
        if [[ $word == -- ]]; then
            state=words
        elif [[ $state != words && $word == -?* ]]; then
            option=${word%%=*}
            given+=("$option")
            _flagmanctl_kind "$option"
            case $word in
            --name=* | --control=* | --pid-file=*) daemon+=("$word") ;;
            *=*) ;;
            *)
                case $kind in
                '' | switch) ;;
                *\?) state=optional ;;
                *) state=value ;;
                esac
                ;;
            esac
        elif [[ -z $verb ]]; then
            verb=$word
        else
            position+=1
        fi
    done
    _flagmanctl_verb "$verb"
    case $state:$current in
    value:*) _flagman_value "$kind" ;;
    own:--*=* | optional:--*=*)
        _flagmanctl_kind "${current%%=*}"
        compset -P 1 '*='
        _flagman_value "$kind"
        ;;
    own:-* | optional:-*) _flagman_options $options ;;
    *)
        if [[ -z $verb ]]; then
            _flagman_offer verb @VERB_NAMES@
        elif [[ -n $several ]]; then
            _flagman_value "$kinds[1]"
        elif (( position <= $#kinds )); then
            _flagman_value "$kinds[position]"
        else
            _message 'no more words'
        fi
        ;;
    esac
}

_flagman() {
    local -a _flagman_sources=(
@SOURCE_NAMES@
    )
    local -a _flagman_others=(
@OPTION_NAMES@
    )
    case $service in
    flagmanctl) _flagmanctl_line ;;
    *) _flagman_line ;;
    esac
}

# As a file of $fpath it is the function itself; else it is read by a start-up file.
if [[ ${funcstack[1]-} == _flagman ]]; then
    _flagman "$@"
else
    compdef _flagman flagman flagmanctl
fi
