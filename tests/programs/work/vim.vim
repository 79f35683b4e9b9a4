" Buffers, sorting, substitution, undo, dictionaries, a job.
call setline(1, map(range(1, 30000), {_, v -> printf('%d line %d', v * 7919 % 30011, v)}))
sort n
%s/line \(\d\)/<\1>/g
let digest = sha256(join(getline(1, '$'), "\n"))
undo
redo
call writefile([digest, sha256(join(getline(1, '$'), "\n"))], 'out.txt')
let words = {}
for i in range(40000)
  let words['w' . (i * 31 % 7001)] = get(words, 'w' . (i * 31 % 7001), 0) + i
endfor
call writefile([len(words), sha256(string(sort(items(words))))], 'out.txt', 'a')
call writefile([trim(system('seq 2000 | cksum'))], 'out.txt', 'a')
let copies = map(range(200), {_, v -> deepcopy(range(300))})
call writefile([len(copies), len(filter(copy(words), {k, v -> v % 2}))], 'out.txt', 'a')
qall!
