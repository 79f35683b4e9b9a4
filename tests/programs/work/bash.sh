#!/bin/bash
# Arrays, strings, functions, subshells, pipes and substitutions of every kind.
set -eu
declare -a list
declare -A index
seed=1
for ((i = 0; i < 10000; i++)); do
    seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
    list[seed % 5000]+=$seed,
    index[k$((seed % 3000))]=$i
done
printf '%s\n' "${list[@]}" | cksum
printf '%s\n' "${!index[@]}" | sort | cksum

text=
for ((i = 0; i < 300; i++)); do text+="word$i "; done
text=${text//word1/WORD_}
echo "${#text} ${text:100:40} ${text%% *} ${text//[0-9]/}" | cksum

fib() { if (($1 < 2)); then echo "$1"; else echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); fi; }
fib 9

total=0
while read -r line; do total=$((total + ${#line})); done < <(for ((i = 0; i < 3000; i++)); do echo "line $i"; done)
echo "$total"
coproc upper { tr a-z A-Z; }
echo "through a coprocess" >&"${upper[1]}"
eval "exec ${upper[1]}>&-"
read -r line <&"${upper[0]}"
echo "$line"
wait
for ((i = 0; i < 40; i++)); do (exit "$((i % 3))") & done
wait
mapfile -t lines <<<"$(seq 20000)"
echo "${#lines[@]} ${lines[19999]}"
eval "$(for ((i = 0; i < 500; i++)); do echo "f$i() { local a=$i; echo \$((a * 2)); }"; done)"
echo "$(f17) $(f499)"
