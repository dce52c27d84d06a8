# Start the manager $1 in a namespace of its own, and beside it execute each line of standard input.
mount -t tmpfs tmpfs /run || exit 77
mkdir -p /run/systemd/system /run/user/0 /run/home/.config/systemd/user
chmod 700 /run/user/0
export XDG_RUNTIME_DIR=/run/user/0 HOME=/run/home
unset NOTIFY_SOCKET DBUS_SESSION_BUS_ADDRESS
# A control group of its own for those of the units, because another manager makes some of the same names.
groups=
for place in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    if [ -e $place/cgroup.procs ] && mkdir $place/flagman-tests-$$ 2>/dev/null; then
        echo $$ >$place/flagman-tests-$$/cgroup.procs && groups="$groups $place"
    fi
done
"$1" --user --log-target=console >/run/manager.log 2>&1 &
manager=$!
echo started
while IFS= read -r line; do
    eval "$line" 2>&1
    echo "status $?"
done
systemctl --user exit
wait $manager
for place in $groups; do
    echo $$ >$place/cgroup.procs
    find $place/flagman-tests-$$ -depth -type d -exec rmdir {} + 2>/dev/null
done
