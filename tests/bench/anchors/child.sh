# A child without a compiler: it writes a record, and sleeps.
echo "$(date +%s.%6N) $$" >"$BENCH_FIFO"
exec sleep infinity
