#!/bin/bash
# web.sh nginx|apache2: the server with two workers on a port of the loopback, a client with 8 threads,
# a reload in between.
set -eu
port=$(python3 -c 'import socket
with socket.socket() as s: s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p root logs
for i in $(seq 40); do seq "$i" $((i * 3000)) >"root/file$i.txt"; done
case $1 in
nginx)
    cat >server.conf <<END
daemon off; master_process on; worker_processes 2; pid $PWD/server.pid; error_log $PWD/logs/error.log;
events { worker_connections 128; }
http {
  access_log $PWD/logs/access.log; default_type text/plain;
  client_body_temp_path $PWD/tmp; proxy_temp_path $PWD/tmp; fastcgi_temp_path $PWD/tmp;
  uwsgi_temp_path $PWD/tmp; scgi_temp_path $PWD/tmp;
  gzip on; gzip_types text/plain; gzip_min_length 100;
  server { listen 127.0.0.1:$port; root $PWD/root; autoindex on;
    location /again/ { proxy_pass http://127.0.0.1:$port/; } }
}
END
    [ "$(id -u)" -ne 0 ] || sed -i '1s/^/user root; /' server.conf
    server=(nginx -p "$PWD" -c "$PWD/server.conf" -e "$PWD/logs/error.log")
    reload=HUP stop=QUIT
    ;;
apache2)
    modules=/usr/lib/apache2/modules
    cat >server.conf <<END
ServerRoot $PWD
ServerName localhost
PidFile $PWD/server.pid
ErrorLog $PWD/logs/error.log
Listen 127.0.0.1:$port
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule autoindex_module $modules/mod_autoindex.so
LoadModule dir_module $modules/mod_dir.so
LoadModule mime_module $modules/mod_mime.so
LoadModule filter_module $modules/mod_filter.so
LoadModule deflate_module $modules/mod_deflate.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_http_module $modules/mod_proxy_http.so
TypesConfig /etc/mime.types
DocumentRoot $PWD/root
StartServers 2
ThreadsPerChild 16
MaxRequestWorkers 64
AddOutputFilterByType DEFLATE text/plain
ProxyPass /again/ http://127.0.0.1:$port/
END
    [ -e /etc/mime.types ] || sed -i "s|^TypesConfig.*|TypesConfig /dev/null\nAddType text/plain .txt|" server.conf
    if [ "$(id -u)" -eq 0 ]; then
        chmod -R a+rX .
        printf 'User nobody\nGroup nogroup\n' >>server.conf
    fi
    server=(apache2 -f "$PWD/server.conf" -DFOREGROUND)
    reload=USR1 stop=TERM
    ;;
esac
"${server[@]}" &
pid=$!
trap 'kill -9 "$pid" 2>/dev/null || true' EXIT
python3 "$WORK/web_client.py" "$port"
kill -"$reload" "$pid"
sleep 0.5
python3 "$WORK/web_client.py" "$port"
kill -"$stop" "$pid"
trap - EXIT
wait "$pid" || echo "the server ended with $?"
grep -cE 'emerg|alert|crit|signal 11|Segmentation' logs/error.log || true
