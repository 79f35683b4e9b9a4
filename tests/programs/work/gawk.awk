# Associative arrays of arrays, string building, regular expressions, sorting.
BEGIN {
    srand(1); seed = 7
    for (i = 0; i < 150000; i++) {
        seed = (seed * 16807) % 2147483647
        word = "w" (seed % 40000)
        count[word]++
        where[word % 10][i % 100] = where[word % 10][i % 100] word
        if (i % 7 == 0) delete count["w" (seed % 20000)]
    }
    n = asorti(count, keys)
    for (i = 1; i <= n; i++) sum = (sum * 31 + count[keys[i]] + length(keys[i])) % 1000000007
    print n, sum
    for (i = 0; i < 20000; i++) text = text " " sprintf("%08x", (i * 2654435761) % 4294967296)
    print length(text), gsub(/[a-f]+/, "<&>", text), length(text)
    m = split(text, parts, /[ <>]+/)
    PROCINFO["sorted_in"] = "@val_str_asc"
    for (p in parts) { if (k++ % 1000 == 0) out = out parts[p] ";" }
    print m, k, out
    while (("seq 5000 | tr 0-9 a-j" | getline line) > 0) total += length(line)
    print total
}
