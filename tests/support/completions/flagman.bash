# Completion of flagman and flagmanctl for bash, version 4.1 or newer. It is made of the tables of options, actions and verbs.
# shellcheck shell=bash

# Each value is offered by its kind; a question mark means that it may be left out.
_flagman_kind() {
    kind=''
    case $1 in
@KINDS@
    esac
}

_flagman_source_kind() {
    kind=''
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
    kind=''
    case $1 in
@CTL_KINDS@
    esac
}

# What the words after a verb are, and its options.
_flagmanctl_verb() {
    kinds=() several='' options=()
    case $1 in
@VERBS@
    esac
}

# Sets words, without their quotes, and starts, which has the places in COMP_WORDS where they begin: bash also parts words
# at a colon and at an equals sign. The last word ends at the cursor, and bash replaces only what is behind "before".
_flagman_read() {
    local line=${COMP_LINE:0:COMP_POINT} all=() head='' last=-1 i word
    words=() starts=()
    for ((i = 0; i <= COMP_CWORD; i += 1)); do
        word=${COMP_WORDS[i]}
        if [[ $i == 0 || $line == [[:space:]]* ]]; then
            line=${line#"${line%%[![:space:]]*}"}
            last=$((last + 1))
            all[last]=
            starts[last]=$i
        fi
        if [[ $i == "$COMP_CWORD" || $line != "$word"* ]]; then
            word=$line
        fi
        line=${line#"$word"}
        head=${all[last]}
        all[last]+=$word
        if [[ -z ${word//[:=]/} ]]; then
            head=${all[last]}
        fi
    done
    _flagman_plain "$head"
    before=$plain
    for word in "${all[@]}"; do
        _flagman_plain "$word"
        words+=("$plain")
    done
    current=$plain
}

# Sets plain, which is the text without quotes, and quote, which is the one that is still open. Nothing is evaluated.
_flagman_plain() {
    local rest=$1 char
    plain='' quote=''
    while [[ $rest == *[\'\"\\]* ]]; do
        char=${rest%%[\'\"\\]*}
        plain+=$char
        rest=${rest:${#char}}
        char=${rest:0:1}
        rest=${rest:1}
        case $quote$char in
        \'\' | \"\") quote= ;;
        \' | \") quote=$char ;;
        \\ | \"\\) plain+=${rest:0:1} rest=${rest:1} ;;
        *) plain+=$char ;;
        esac
    done
    plain+=$rest
}

# Chooses what bash does with what is offered, or if nothing is.
_flagman_choose() {
    compopt -o "$1" 2>/dev/null || true
}

# Offers those of some words that begin with what is typed.
_flagman_offer() {
    local word
    for word in "$@"; do
        if [[ $word == "$typed"* ]]; then
            word=$lead$word
            word=${word#"$before"}
            if [[ -z $quote ]]; then
                printf -v word %q "$word"
            fi
            COMPREPLY+=("$word")
        fi
    done
}

_flagman_offer_lines() {
    local line
    while IFS='' read -r line; do
        _flagman_offer "$line"
    done
}

# Offers signals as they are typed: with SIG or without, in capitals or not; those of real time only after an R.
_flagman_signals() {
    local name sig=''
    if [[ $typed == [sS][iI][gG]* ]]; then
        sig=SIG
    fi
    for name in "$@"; do
        if [[ $name == RT* && $typed != *[rR]* ]]; then
            continue
        fi
        name=$sig$name
        if [ "$typed" = "${typed,,}" ] && [ -n "$typed" ]; then
            name=${name,,}
        fi
        _flagman_offer "$name"
    done
}

# Sets names to those of the processes in the configuration file, which is read, and never run.
_flagman_read_file() {
    local line file=$config pattern='^[[:space:]]*\[[[:space:]]*process[[:space:]]*\.[[:space:]]*["'\'']?([A-Za-z0-9][A-Za-z0-9._-]*)["'\'']?[[:space:]]*\]'
    names=()
    if [[ $file == \~/* ]]; then
        file=$HOME/${file#\~/}
    fi
    if [[ -f $file && -r $file ]]; then
        while IFS='' read -r line || [[ -n $line ]]; do
            if [[ $line =~ $pattern ]]; then
                names+=("${BASH_REMATCH[1]}")
            fi
        done <"$file"
    fi
}

# Sets names to those of the daemons that have a socket where flagmanctl looks.
_flagman_read_sockets() {
    local folder file folders=()
    names=()
    IFS=: read -ra folders <<<"${RUNTIME_DIRECTORY-}"
    for folder in ${folders[@]+"${folders[@]}"} "${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/flagman}" /run/flagman; do
        if [[ -n $folder ]]; then
            while IFS='' read -r file; do
                if [[ -S $file ]]; then
                    file=${file##*/}
                    names+=("${file%.sock}")
                fi
            done < <(compgen -G "$folder/*.sock"; compgen -G "$folder/*/*.sock")
        fi
    done
}

# Sets names to those of the flags, or of the processes, of the daemon that is meant: nothing but the daemon knows them.
_flagman_ask() {
    local json='' rest part
    names=()
    IFS='' read -r -t 2 json < <(command flagmanctl status --json ${daemon[@]+"${daemon[@]}"} 2>/dev/null </dev/null) || return 0
    rest=$json
    while [[ $rest == *'{"name": "'* ]]; do
        rest=${rest#*'{"name": "'}
        part=${rest%%\"*}
        if [[ $part != *\\* && ${rest:${#part}} == "\", \"$1\":"* ]]; then
            names+=("$part")
        fi
    done
}

# Offers values of a kind: $lead is what stands before the value in the same word, $typed is what is typed of it.
_flagman_value() {
    local names=()
    case ${1%\?} in
    file) _flagman_choose default ;;
    dir) _flagman_choose dirnames ;;
    user) _flagman_offer_lines < <(compgen -u) ;;
    group) _flagman_offer_lines < <(compgen -g) ;;
    action) _flagman_offer @ACTION_NAMES@ ;;
    signal) _flagman_signals @BINDABLE@ ;;
    any-signal) _flagman_signals @SIGNALS@ ;;
    shell-command) _flagman_offer_lines < <(compgen -c -- "$typed") ;;
    process | event | target)
        _flagman_read_file
        _flagman_processes "$1"
        ;;
    running | running-target)
        _flagman_ask wanted
        _flagman_processes "$1"
        ;;
    flag)
        _flagman_ask trigger
        _flagman_offer ${names[@]+"${names[@]}"}
        ;;
    daemon)
        _flagman_read_sockets
        _flagman_offer ${names[@]+"${names[@]}"}
        ;;
    one-of:*)
        IFS=, read -ra names <<<"${1#one-of:}"
        _flagman_offer "${names[@]%\?}"
        ;;
    esac
}

# Offers the names of processes, in the form that a kind of value has.
_flagman_processes() {
    local name
    case $1 in
    event)
        if [[ $typed != *:* ]]; then
            _flagman_choose nospace
            for name in ${names[@]+"${names[@]}"}; do
                _flagman_offer "$name:"
            done
        else
            for name in @EVENTS@; do
                _flagman_offer "${typed%%:*}:$name"
            done
        fi
        ;;
    *target)
        if [[ $typed == process:* ]]; then
            for name in ${names[@]+"${names[@]}"}; do
                _flagman_offer "process:$name"
            done
        elif [[ $1 == target && $typed == pidfile:* ]]; then
            _flagman_choose default
        else
            _flagman_choose nospace
            _flagman_offer process:
            if [[ $1 == target ]]; then
                _flagman_offer pidfile:
            fi
        fi
        ;;
    *) _flagman_offer ${names[@]+"${names[@]}"} ;;
    esac
}

# Offers options that are not given yet, or that may be given again.
_flagman_options() {
    local option name
    for option in "$@"; do
        for name in ${option//|/ }; do
            if [[ $name != *+ && $given == *" $name "* ]]; then
                continue 2
            fi
        done
        for name in ${option//|/ }; do
            _flagman_offer "${name%+}"
        done
    done
}

# Completes a command whose name is the given word, as if nothing stood before it.
_flagman_command() {
    local offset=${starts[$1]:-$COMP_CWORD} complete
    for complete in _comp_command_offset _command_offset; do
        if declare -F "$complete" >/dev/null; then
            "$complete" "$offset" || true
            return 0
        fi
    done
    # Without the package bash-completion.
    _flagman_choose default
    if [[ $offset == "$COMP_CWORD" ]]; then
        _flagman_value shell-command
    fi
}

_flagman() {
    local words starts current before plain quote kind kinds=() least most
    local i word state=own action_at=0 is_verbatim='' position=0 config='' given=' ' is_config='' lead='' typed
    local IFS=$' \t\n'
    COMPREPLY=()
    _flagman_read
    typed=$current
    for ((i = 1; i < ${#words[@]} - 1; i += 1)); do
        word=${words[i]}
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
            state=arguments position=0 is_verbatim='' action_at=$((i + 1))
            continue
            ;;
        arguments)
            if [[ $word == ';' ]]; then
                state=own
                continue
            elif [[ -n $is_verbatim ]]; then
                position=$((position + 1))
                continue
            elif [[ $word == -- && $position == 0 ]]; then
                is_verbatim=1 action_at=$((i + 1))
                continue
            elif [[ $word != -- ]] && ! _flagman_source_kind "${word%%=*}"; then
                _flagman_kind "${word%%=*}"
                if ((most == 1000000)) || [[ $word != -?* ]] || { [[ $word != --* || -z $kind ]] && ((position < most)); }; then
                    position=$((position + 1))
                    continue
                fi
            fi
            ;;
        esac
        if [[ $word == -- ]]; then
            _flagman_command "$((i + 1))"
            return 0
        fi
        if _flagman_source_kind "${word%%=*}"; then
            if [[ $word == *=* ]]; then
                state=own
            elif [[ -n $kind ]]; then
                state=source
            else
                state=action
            fi
            continue
        fi
        _flagman_kind "${word%%=*}"
        state=own is_config=''
        given+="${word%%=*} "
        case $word in
        -c | --config | -[@SWITCHES@]*c) state=value is_config=1 ;;
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
    local is_option=''
    if [[ $typed == -* || -z $typed ]]; then
        is_option=1
    fi
    case $state in
    value | source)
        if [[ $state == value && -n $is_config ]]; then
            kind='file'
        fi
        _flagman_value "$kind"
        ;;
    action) _flagman_value action ;;
    optional | own)
        if [[ $state == optional && $typed != -* ]]; then
            _flagman_value "$kind"
        elif [[ $typed == --*=* ]]; then
            lead=${typed%%=*}=
            if _flagman_source_kind "${lead%=}"; then
                kind=${kind:-action}
            else
                _flagman_kind "${lead%=}"
            fi
            typed=${typed#*=}
            _flagman_value "$kind"
        elif [[ -n $is_option ]]; then
            _flagman_options @SOURCE_NAMES@ @OPTION_NAMES@
        fi
        ;;
    arguments)
        if [[ ${kinds[0]-} == command ]]; then
            if [[ $position -gt 0 && -z $is_verbatim && $typed == -* ]]; then
                _flagman_options @SOURCE_NAMES@
                local sources=(${COMPREPLY[@]+"${COMPREPLY[@]}"})
                _flagman_command "$action_at"
                COMPREPLY+=(${sources[@]+"${sources[@]}"})
            else
                _flagman_command "$action_at"
            fi
            return 0
        fi
        if ((position < most)); then
            _flagman_value "${kinds[position]-}"
        fi
        if [[ -n $is_option && -z $is_verbatim ]] && ((position >= least)); then
            if ((most == 1000000)); then
                _flagman_options @SOURCE_NAMES@
            elif [[ -n $typed ]] || ((position >= most)); then
                _flagman_options @SOURCE_NAMES@ @OPTION_NAMES@
            fi
        fi
        ;;
    esac
    return 0
}

_flagmanctl() {
    local words starts current before plain quote kind kinds=() several options=() names=()
    local i word verb='' state=own position=0 given=' ' option='' lead='' typed daemon=()
    local IFS=$' \t\n'
    COMPREPLY=()
    _flagman_read
    typed=$current
    for ((i = 1; i < ${#words[@]} - 1; i += 1)); do
        word=${words[i]}
        if [[ $state == value ]]; then
            state=own
            case $option in
            --name | --control | --pid-file) daemon+=("$option=$word") ;;
            esac
            continue
        elif [[ $state == optional && $word == [0-9]* ]]; then
            state=own
            continue
        fi
        state=own
        if [[ $word == -- ]]; then
            state=words
        elif [[ $state != words && $word == -?* ]]; then
            option=${word%%=*}
            given+="$option "
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
            position=$((position + 1))
        fi
    done
    _flagmanctl_verb "$verb"
    case $state:$typed in
    value:*) _flagman_value "$kind" ;;
    own:--*=* | optional:--*=*)
        lead=${typed%%=*}=
        _flagmanctl_kind "${lead%=}"
        typed=${typed#*=}
        _flagman_value "$kind"
        ;;
    own:-* | optional:-*) _flagman_options "${options[@]}" ;;
    *)
        if [[ -z $verb ]]; then
            _flagman_offer @VERB_NAMES@
        elif [[ -n $several ]]; then
            _flagman_value "${kinds[0]}"
        else
            _flagman_value "${kinds[position]-}"
        fi
        ;;
    esac
    return 0
}

complete -F _flagman flagman
complete -F _flagmanctl flagmanctl
