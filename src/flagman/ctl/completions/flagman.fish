# Completion of flagman and flagmanctl for fish, version 3.1 or newer. It is made of the tables of options, actions and verbs.

# Prints the kind of value of an option; a question mark means that it may be left out.
function __flagman_kind
    switch $argv[1]
        case -c --config --pid-file --stdout --stderr --control-token --metrics-file --log-file --runlog
            printf '%s\n' 'file'
        case --pythonpath --into --chdir --chroot
            printf '%s\n' 'dir'
        case -l --list
            printf '%s\n' 'action?'
        case --check --print-config --print-unit --dry-run --run-at-start --once --successful-empty --no-systemd -d --daemon --keep-alive --no-guardian -q --quiet -v --verbose -h --help -V --version
            printf '%s\n' 'switch'
        case --timer --timeout --max-failures --debounce --jitter --file-interval --stop-timeout --name --umask --graceful-time --success-exit-status --control-mode
            printf '%s\n' 'text'
        case --overlap
            printf '%s\n' 'one-of:ignore,rerun,restart'
        case --on-error
            printf '%s\n' 'one-of:continue,skip,close,exit'
        case --output
            printf '%s\n' 'one-of:inherit,log,null'
        case --user
            printf '%s\n' 'user?'
        case --group --control-group
            printf '%s\n' 'group'
        case --forward
            printf '%s\n' 'one-of:leader,group,none'
        case --restart
            printf '%s\n' 'one-of:never,on-failure,always'
        case --stop-signal
            printf '%s\n' 'signal'
        case --control
            printf '%s\n' 'file?'
        case --log-level
            printf '%s\n' 'one-of:debug,info,warning,error,critical'
        case --log-format
            printf '%s\n' 'one-of:auto,plain,time,journal,json'
    end
end

# Prints the kind of the word before an action.
function __flagman_source_kind
    switch $argv[1]
        case --hup --usr1 --usr2
            printf '%s\n' ''
        case --signal
            printf '%s\n' 'signal'
        case --every --after
            printf '%s\n' 'text'
        case --on-file
            printf '%s\n' 'file'
        case --on-process
            printf '%s\n' 'event'
        case '*'
            return 1
    end
end

# Prints the fewest and the most words of an action, and what each of them is.
function __flagman_action
    switch $argv[1]
        case print print_once
            printf '%s\n' '1' '1' 'text'
        case delay_print
            printf '%s\n' '2' '2' 'text' 'text'
        case exec
            printf '%s\n' '1' '1000000' 'command'
        case sh
            printf '%s\n' '1' '1' 'shell-command'
        case http
            printf '%s\n' '2' '1000000' 'one-of:GET,HEAD,POST,PUT,PATCH,DELETE' 'text'
        case signal
            printf '%s\n' '2' '2' 'any-signal' 'target'
        case start_process stop_process restart_process
            printf '%s\n' '1' '1' 'process'
        case touch dump_status
            printf '%s\n' '1' '1' 'file'
        case log
            printf '%s\n' '2' '2' 'one-of:debug,info,warning,error,critical' 'text'
        case log_statistics
            printf '%s\n' '0' '1' 'one-of:debug,info,warning,error,critical'
        case reload stop
            printf '%s\n' '0' '0'
        case '*'
            printf '%s\n' 0 1000000
    end
end

function __flagmanctl_kind
    switch $argv[1]
        case --name
            printf '%s\n' 'daemon'
        case --control --pid-file -c --config
            printf '%s\n' 'file'
        case --json -w --watch -f --follow --no-wait -h --help -V --version
            printf '%s\n' 'switch'
        case --color
            printf '%s\n' 'one-of:auto,always,never'
        case -n --number --since --port
            printf '%s\n' 'text'
        case --wait
            printf '%s\n' 'text?'
        case --format
            printf '%s\n' 'one-of:pymanager,supervisord,procfile'
        case --directory
            printf '%s\n' 'dir'
        case --init
            printf '%s\n' 'one-of:lsb,openrc'
    end
end

# Prints what the words after a verb are; three dots mean that there may be several.
function __flagmanctl_words
    switch $argv[1]
        case history trigger
            printf '%s\n' 'flag'
        case ready ps plan start stop restart
            printf '%s\n' 'running' '...'
        case logs
            printf '%s\n' 'running'
        case signal
            printf '%s\n' 'any-signal' 'running-target'
        case convert
            printf '%s\n' 'file'
        case new
            printf '%s\n' 'text'
        case completion
            printf '%s\n' 'one-of:bash,zsh,fish'
    end
end

function __flagmanctl_options --no-scope-shadowing
    switch $argv[1]
        case status
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once -w --watch 'show the state anew every second'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case history
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once -n --number 'show N runs or lines at most'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case metrics
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case trigger
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once --wait 'wait for the end, for as long as SPAN at most, such as 30s'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case ready
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once --wait 'wait for the end, for as long as SPAN at most, such as 30s'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case ps
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once -w --watch 'show the state anew every second'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case plan
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once -c --config 'show the order that this configuration file asks for'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case start
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once --wait 'wait for the end, for as long as SPAN at most, such as 30s'
            __flagman_once --no-wait 'do not wait until the processes have done it'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case stop
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once --wait 'wait for the end, for as long as SPAN at most, such as 30s'
            __flagman_once --no-wait 'do not wait until the processes have done it'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case restart
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once --wait 'wait for the end, for as long as SPAN at most, such as 30s'
            __flagman_once --no-wait 'do not wait until the processes have done it'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case logs
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once -n --number 'show N runs or lines at most'
            __flagman_once -f --follow 'go on with what the process prints, until Ctrl-C'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case events
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once --since 'go on after this event: a value of the key `since` of the JSON'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case reload
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once --wait 'wait for the end, for as long as SPAN at most, such as 30s'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case shutdown
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once --wait 'wait for the end, for as long as SPAN at most, such as 30s'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case page
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --port 'port to listen on'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case signal
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case convert
            __flagman_once --format 'what FILE is'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case new
            __flagman_once --directory 'directory to write to'
            __flagman_once --init 'kind of its init script'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case completion
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
        case '*'
            __flagman_once --name 'the daemon of this name'
            __flagman_once --control 'the daemon with this control socket'
            __flagman_once --pid-file 'the daemon with this pid file'
            __flagman_once -c --config 'show the order that this configuration file asks for'
            __flagman_once --json 'print the answer of the daemon as it is'
            __flagman_once --color 'color the output'
            __flagman_once -w --watch 'show the state anew every second'
            __flagman_once -n --number 'show N runs or lines at most'
            __flagman_once -f --follow 'go on with what the process prints, until Ctrl-C'
            __flagman_once --wait 'wait for the end, for as long as SPAN at most, such as 30s'
            __flagman_once --since 'go on after this event: a value of the key `since` of the JSON'
            __flagman_once --no-wait 'do not wait until the processes have done it'
            __flagman_once --port 'port to listen on'
            __flagman_once --format 'what FILE is'
            __flagman_once --directory 'directory to write to'
            __flagman_once --init 'kind of its init script'
            __flagman_once -h --help 'show the help'
            __flagman_once -V --version 'show the version'
    end
end

function __flagman_sources --no-scope-shadowing
    __flagman_again --hup 'add an action for SIGHUP'
    __flagman_again --usr1 'add an action for SIGUSR1'
    __flagman_again --usr2 'add an action for SIGUSR2'
    __flagman_again --signal 'add an action for any other signal: a name, a number, RTMIN+n'
    __flagman_again --every 'add an action that runs again and again: every 90s, 5m, 1h30m'
    __flagman_again --after 'add an action that runs once, SPAN after flagman is ready'
    __flagman_again --on-file 'add an action for a file or a directory that changes, is replaced, comes or goes'
    __flagman_again --on-process 'add an action for a process of the file that is ready, ends or fails: web:ready, web:exit, web:fail'
end

function __flagman_options --no-scope-shadowing
    __flagman_once -c --config 'also read options and actions from a TOML file'
    __flagman_once --pythonpath 'also look for modules of actions in this directory, last of all'
    __flagman_once -l --list 'list known actions, or show one of them, and exit'
    __flagman_once --check 'check the command line and the file, and exit with status 0 or 2'
    __flagman_once --print-config 'print all settings and actions as a TOML file and exit'
    __flagman_once --print-unit 'print a systemd unit for this command line and exit'
    __flagman_once --into 'with --print-unit: write the units to this directory instead, and print the next command'
    __flagman_once --timer 'with --print-unit: also print a timer that sends the first signal: 15m, daily, \'Mon *-*-* 06:00\''
    __flagman_once --dry-run 'log what would run instead of running it'
    __flagman_once --overlap 'when a signal arrives while its own actions run: ignore it'
    __flagman_once --on-error 'when an action fails: carry on'
    __flagman_once --timeout 'interrupt a run of an action that takes longer, and count it as failed'
    __flagman_once --max-failures 'exit with status 1 when one action has failed N times in a row'
    __flagman_once --output 'output of commands: pass it on'
    __flagman_once --debounce 'run the actions of a signal or a file only after SPAN without another one'
    __flagman_once --jitter 'delay each tick of a timer by a random time up to SPAN'
    __flagman_once --file-interval 'how often to look at files about which the kernel reports nothing, such as those on NFS'
    __flagman_once --run-at-start 'also run all actions once when ready'
    __flagman_once --once 'exit with status 0 after the first signal or timer has been handled'
    __flagman_once --stop-timeout 'time that a running action has to finish after a stop signal'
    __flagman_once --successful-empty 'exit with status 0, not 1, when all actions have closed'
    __flagman_once --name 'the daemon\'s name'
    __flagman_once --no-systemd 'do not send status messages to systemd'
    __flagman_once --pid-file 'write the process id to this file, and refuse to start if another process has locked it'
    __flagman_once -d --daemon 'run in the background'
    __flagman_once --user 'change to this user'
    __flagman_once --group 'change to this group'
    __flagman_once --umask 'the file mode creation mask'
    __flagman_once --chdir 'the working directory'
    __flagman_once --chroot 'the root directory to change to'
    __flagman_once --stdout 'append standard output to a file when ready'
    __flagman_once --stderr 'append standard error to a file when ready'
    __flagman_once --forward 'which of its processes get signals that have no actions: the first one'
    __flagman_once --graceful-time 'time that it has to end after a stop signal'
    __flagman_once --restart 'when it ends: end with it'
    __flagman_once --stop-signal 'what it gets in place of the first TERM, INT or QUIT'
    __flagman_once --success-exit-status 'statuses that count as 0, such as 143 for a death by TERM'
    __flagman_once --keep-alive 'stay when all of them have ended'
    __flagman_once --no-guardian 'start no second process that ends them if flagman is killed'
    __flagman_again --control 'let flagmanctl and others ask and steer this daemon, through a Unix socket at a path'
    __flagman_once --control-token 'the file with the token that each request over TCP has to show'
    __flagman_once --control-mode 'the mode of that socket'
    __flagman_once --control-group 'the group whose members may use that socket, too'
    __flagman_once --metrics-file 'keep metrics in this file, for the textfile collector of node_exporter'
    __flagman_once --log-level 'the lowest level that is logged'
    __flagman_once --log-format 'plain lines, lines with times or with priorities for the journal, or JSON'
    __flagman_once --log-file 'log to a file, and open it again after a rotation'
    __flagman_once --runlog 'append each run to a file, as a line of JSON, and open it again after a rotation'
    __flagman_once -q --quiet 'log critical messages only'
    __flagman_again -v --verbose 'log more'
    __flagman_once -h --help 'show the help'
    __flagman_once -V --version 'show the version'
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
            printf '%s\n' $lead{'print	A simple Action that prints messages at the various stages of execution','delay_print	Prints a message, sleeps for the given number of seconds, and prints that it has finished','print_once	Prints a message the first time that it runs, then closes itself','exec	Runs a program and waits for its end','sh	Runs a shell command','http	Makes an HTTP request','signal	Sends a signal to a process','start_process	Starts a process of the configuration file','stop_process	Stops a process of the configuration file','restart_process	Restarts a process of the configuration file, or starts it','touch	Sets the times of a file to now, or creates it','log	Logs a message','log_statistics	Logs how often everything has run, failed and was started, in all and since the last time','dump_status	Writes the status of the daemon to a file, as JSON, whole or not at all','reload	Reads the configuration file again','stop	Stops flagman gracefully'}
        case signal
            __flagman_signals 'HUP	hang-up, or: read the configuration again' 'INT	interrupt, as Ctrl-C sends it' 'QUIT	quit, as Ctrl-\\ sends it' 'TRAP	trap of a debugger' 'ABRT	abort' 'USR1	for programs to define' 'USR2	for programs to define' 'TERM	terminate' 'CONT	go on' 'TSTP	stand still, as Ctrl-Z sends it' 'TTIN	read in the background' 'URG	urgent data on a socket' 'XCPU	too much CPU time' 'XFSZ	file too large' 'VTALRM	virtual alarm clock' 'PROF	profiling clock' 'WINCH	the terminal has another size' 'IO	input or output is possible' 'PWR	power fails' 'SYS	bad system call' 'RTMIN+0	real time' 'RTMIN+1	real time' 'RTMIN+2	real time' 'RTMIN+3	real time' 'RTMIN+4	real time' 'RTMIN+5	real time' 'RTMIN+6	real time' 'RTMIN+7	real time' 'RTMIN+8	real time' 'RTMIN+9	real time' 'RTMIN+10	real time' 'RTMIN+11	real time' 'RTMIN+12	real time' 'RTMIN+13	real time' 'RTMIN+14	real time' 'RTMIN+15	real time' 'RTMAX-14	real time' 'RTMAX-13	real time' 'RTMAX-12	real time' 'RTMAX-11	real time' 'RTMAX-10	real time' 'RTMAX-9	real time' 'RTMAX-8	real time' 'RTMAX-7	real time' 'RTMAX-6	real time' 'RTMAX-5	real time' 'RTMAX-4	real time' 'RTMAX-3	real time' 'RTMAX-2	real time' 'RTMAX-1	real time' 'RTMAX-0	real time'
        case any-signal
            __flagman_signals 'HUP	hang-up, or: read the configuration again' 'INT	interrupt, as Ctrl-C sends it' 'QUIT	quit, as Ctrl-\\ sends it' 'ILL	illegal instruction' 'TRAP	trap of a debugger' 'ABRT	abort' 'BUS	bus error' 'FPE	arithmetic error' 'KILL	kill at once' 'USR1	for programs to define' 'SEGV	invalid memory reference' 'USR2	for programs to define' 'PIPE	nothing reads the pipe' 'ALRM	alarm clock' 'TERM	terminate' 'CHLD	a child has ended' 'CONT	go on' 'STOP	stand still' 'TSTP	stand still, as Ctrl-Z sends it' 'TTIN	read in the background' 'TTOU	write in the background' 'URG	urgent data on a socket' 'XCPU	too much CPU time' 'XFSZ	file too large' 'VTALRM	virtual alarm clock' 'PROF	profiling clock' 'WINCH	the terminal has another size' 'IO	input or output is possible' 'PWR	power fails' 'SYS	bad system call' 'RTMIN+0	real time' 'RTMIN+1	real time' 'RTMIN+2	real time' 'RTMIN+3	real time' 'RTMIN+4	real time' 'RTMIN+5	real time' 'RTMIN+6	real time' 'RTMIN+7	real time' 'RTMIN+8	real time' 'RTMIN+9	real time' 'RTMIN+10	real time' 'RTMIN+11	real time' 'RTMIN+12	real time' 'RTMIN+13	real time' 'RTMIN+14	real time' 'RTMIN+15	real time' 'RTMAX-14	real time' 'RTMAX-13	real time' 'RTMAX-12	real time' 'RTMAX-11	real time' 'RTMAX-10	real time' 'RTMAX-9	real time' 'RTMAX-8	real time' 'RTMAX-7	real time' 'RTMAX-6	real time' 'RTMAX-5	real time' 'RTMAX-4	real time' 'RTMAX-3	real time' 'RTMAX-2	real time' 'RTMAX-1	real time' 'RTMAX-0	real time'
        case shell-command
            complete -C "$raw"
        case process
            printf '%s\n' $lead(__flagman_read_file $config)
        case event
            printf '%s\n' $lead(__flagman_read_file $config):{ready,exit,fail}
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
        if test "$word" = -c; or test "$word" = --config; or string match -qr -- '^-[dqvhV]+c$' "$word"
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
        printf '%s\t%s\n' status 'show the state of a daemon, its bindings, and their last runs and errors'
        printf '%s\t%s\n' history 'show the last runs, and what has happened to processes, the newest last'
        printf '%s\t%s\n' metrics 'print the metrics of a daemon in the text format of Prometheus'
        printf '%s\t%s\n' trigger 'raise a flag, as its trigger would'
        printf '%s\t%s\n' ready 'tell whether a daemon, or some of its processes, are ready, for health checks'
        printf '%s\t%s\n' ps 'show the processes of a daemon, and why those that are not ready are not'
        printf '%s\t%s\n' plan 'show in which order processes start, how long that took, and what they waited for'
        printf '%s\t%s\n' start 'start processes, and wait until they are ready'
        printf '%s\t%s\n' stop 'stop processes, and wait until nothing of them runs'
        printf '%s\t%s\n' restart 'stop processes, start them again, and wait until they are ready'
        printf '%s\t%s\n' logs 'show the last lines that a process has printed'
        printf '%s\t%s\n' events 'show what happens in a daemon, from now on or since an event, until Ctrl-C'
        printf '%s\t%s\n' reload 'let a daemon read its configuration file again, and show what has changed'
        printf '%s\t%s\n' shutdown 'stop a daemon as SIGTERM does'
        printf '%s\t%s\n' page 'show a daemon to a browser on this machine: serve its page on a loopback port, and print the address'
        printf '%s\t%s\n' signal 'send a signal to a running daemon, or to a process of it'
        printf '%s\t%s\n' convert 'print the configuration file that does what a JSON file of pymanager, a supervisord.conf or a Procfile does'
        printf '%s\t%s\n' new 'write a new plugin package: an action, tests, metadata, a configuration, a unit, an init script, a README'
        printf '%s\t%s\n' completion 'print the script that completes flagman and flagmanctl in a shell'
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
