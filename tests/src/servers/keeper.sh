# Keeps one server. Arguments: its directory, then its command. Orders come line by line on standard input, each answered with a
# line once it is carried out: `start`, `TERM` and `KILL` (both wait for the end), or another signal's name. When the input ends,
# because whoever gave the orders is gone, the server is killed and its directory removed.
directory=$1
shift
server=
while read -r order; do
    case $order in
    start)
        "$@" </dev/null >>"$directory/log" 2>&1 &
        server=$!
        ;;
    TERM | KILL)
        kill -s "$order" "$server"
        wait "$server"
        ;;
    *) kill -s "$order" "$server" ;;
    esac
    echo done
done
[ -z "$server" ] || kill -s KILL "$server"
wait
rm -rf "$directory"
