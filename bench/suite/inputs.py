"""Inputs of the programs, made in a folder; each function returns the command to run there."""
import glob
import subprocess
import textwrap


def write(folder, name, text):
    (folder / name).write_text(textwrap.dedent(text).lstrip("\n"))
    return name


def numbers(seed):
    while True:
        seed = (seed * 1103515245 + 12345) % 2147483648
        yield seed // 65536


def words(folder, lines):
    """Lines of a number and eight words"""
    drawn = numbers(1)
    with open(folder / "words.txt", "w", encoding="ascii") as out:
        for line in range(lines):
            out.write(f"{line} " + " ".join(f"w{next(drawn) % 9973}" for _ in range(8)) + "\n")
    return "words.txt"


def python(folder):
    words(folder, 12000)
    write(folder, "work.py", """
        import collections, json, re
        words = open("words.txt").read().split()
        count = collections.Counter(words)
        index = collections.defaultdict(list)
        for place, word in enumerate(words):
            index[word].append(place)
        class Node:
            def __init__(self, key):
                self.key, self.left, self.right = key, None, None
        def insert(root, key):
            node = root
            while node.key != key:
                side = "left" if key < node.key else "right"
                if getattr(node, side) is None:
                    setattr(node, side, Node(key))
                node = getattr(node, side)
        for again in range(3):
            tree = Node("")
            for word in words[again::3]:
                insert(tree, word[::-1])
            text = json.dumps({"count": count, "index": index})
            back = json.loads(text)
            found = re.findall(r'w(\\d)\\d*"', text)
            print(len(back), len(found), sorted(str(x) * 3 for x in range(60000))[-1])
            print(sum(len(x) for x in [(a, b, str(a)) for a, b in back["count"].items()]))
        """)
    return ["/usr/bin/python3", "-s", "-S", "work.py"]


def sqlite(folder):
    write(folder, "work.sql", """
        create table item (id integer primary key, name text, weight real);
        create table part (item integer, of integer, note text);
        with recursive n(x) as (select 1 union all select x + 1 from n where x < 150000)
        insert into item select x, printf('item %d', (x * 7919) % 150001), x * 0.5 from n;
        insert into part select id, (id * 31) % 150000, printf('%.*c', id % 60, 'x') from item;
        create index by_name on item (name);
        create index by_part on part (of, item);
        select count(*), sum(length(note)) from part join item on item.id = part.of
            where name like '%7%';
        select name, count(*) from item join part on of = id group by name order by 2 desc, 1
            limit 20;
        update item set name = upper(name) || name where id % 3 = 0;
        delete from part where item % 5 = 0;
        select length(group_concat(substr(name, 1, 3), '-')) from
            (select name from item order by weight desc);
        select count(distinct substr(name, 3, 4) || note) from item join part on item = id;
        vacuum;
        """)
    return ["sqlite3", ":memory:", ".read work.sql"]


C_HEAD = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <math.h>\n"
C_PART = """
struct stone%(i)d { int x[%(n)d]; double weight; struct stone%(i)d *next; };
static int lay%(i)d(struct stone%(i)d *s, int n) {
    int sum = %(i)d;
    for (int k = 0; k < n && s != NULL; k++, s = s->next) {
        switch ((s->x[0] + k) %% 5) {
        case 0: sum += s->x[1] * %(i)d; break;
        case 1: sum ^= (int)sqrt(s->weight) << (k %% 7); break;
        case 2: sum -= (int)strlen("stone %(i)d"); break;
        default: printf("%%d %%f\\n", sum, s->weight);
        }
    }
    return sum;
}
int build%(i)d(int n) {
    struct stone%(i)d *wall = NULL;
    for (int k = 0; k < n; k++) {
        struct stone%(i)d *s = malloc(sizeof *s);
        if (s == NULL) abort();
        memset(s, k, sizeof *s);
        s->next = wall;
        wall = s;
    }
    return lay%(i)d(wall, n);
}
"""


def compiler(name):
    """The compiler proper, and the folder of headers that only its driver knows"""
    path = glob.glob(f"/usr/lib/gcc/*/12/{name}")[0]
    return [path, "-quiet", "-imultiarch", path.split("/")[-3]]


def cc1(folder):
    text = C_HEAD + "".join(C_PART % {"i": i, "n": i % 7 + 2} for i in range(80))
    (folder / "work.c").write_text(text)
    return [*compiler("cc1"), "-O2", "-o", "work.s", "work.c"]


CXX = """
    #include <algorithm>
    #include <functional>
    #include <map>
    #include <memory>
    #include <string>
    #include <unordered_map>
    #include <vector>
    template <int N> struct Stone {
        std::map<std::string, std::vector<Stone<N - 1>>> parts;
        std::unordered_map<int, std::shared_ptr<Stone<N - 1>>> shared;
        std::function<int(int)> weight = [this](int x) { return x + N + (int)parts.size(); };
        int lay(const std::string &name, int n) {
            auto &list = parts[name];
            for (int i = 0; i < n; i++) list.emplace_back();
            std::sort(list.begin(), list.end(), [](auto &a, auto &b) {
                return a.weight(N) < b.weight(N);
            });
            shared[n] = std::make_shared<Stone<N - 1>>();
            return weight(n) + shared[n]->lay(name + "x", n - 1);
        }
    };
    template <> struct Stone<0> {
        std::function<int(int)> weight = [](int x) { return x; };
        int lay(const std::string &name, int n) { return (int)name.size() + n; }
    };
    int build(int n) { return Stone<%d>().lay("wall", n); }
    """


def cxx_source(folder, depth):
    return write(folder, "work.cc", CXX % depth)


def cc1plus(folder):
    cxx_source(folder, 4)
    return [*compiler("cc1plus"), "-D_GNU_SOURCE", "-O1", "-o", "work.s", "work.cc"]


def clang(folder):
    cxx_source(folder, 4)
    # -cc1 in a process of its own would not change anything; the driver runs it in its own.
    return ["clang++", "-O1", "-S", "-o", "work.s", "work.cc"]


def z3(folder):
    holes = 7
    lines = [f"(declare-const p{i}_{k} Bool)" for i in range(holes + 1) for k in range(holes)]
    lines += ["(push)"]
    lines += ["(assert (or " + " ".join(f"p{i}_{k}" for k in range(holes)) + "))"
              for i in range(holes + 1)]
    lines += [f"(assert (not (and p{i}_{k} p{j}_{k})))" for k in range(holes)
              for i in range(holes + 1) for j in range(i)]
    lines += ["(check-sat)", "(pop)"]
    for i in range(60):
        lines += ["(push)", "(declare-const a (_ BitVec 20))", "(declare-const b (_ BitVec 20))",
                  f"(assert (= (bvmul a b) (_ bv{(7919 * (i + 3) * 31337) % 1000003} 20)))",
                  "(assert (bvugt a (_ bv1 20)))", "(assert (bvugt b a))", "(check-sat)", "(pop)"]
    lines += ["(push)", "(declare-const m (Array Int Int))", "(declare-fun f (Int) Int)"]
    lines += [f"(assert (= (select m {i}) (f (select m {(i * 7) % 120}))))" for i in range(120)]
    lines += [f"(assert (distinct (f {i}) (f {i + 1})))" for i in range(120)]
    lines += ["(check-sat)", "(pop)"]
    (folder / "work.smt2").write_text("\n".join(lines) + "\n")
    return ["z3", "work.smt2"]


def ghostscript(folder):
    write(folder, "work.ps", """
        %!PS
        /Times-Roman findfont 9 scalefont setfont
        1 1 4 {
          /page exch def
          0 1 70 { /line exch def
            30 line 10 mul 40 add moveto
            0 1 14 { page mul line add 7919 mul 997 mod 10 string cvs show (  ) show } for
          } for
          0 1 900 { /i exch def newpath
            i 17 mul 580 mod i 29 mul 780 mod moveto
            i 7 mul 580 mod i 13 mul 780 mod i 31 mul 580 mod i 11 mul 780 mod
            i 19 mul 580 mod i 23 mul 780 mod curveto
            i 10 mod 10 div setgray i 5 mod 2 div setlinewidth stroke
          } for
          0 1 60 { /i exch def gsave i 9 mul i 12 mul translate i 6 mul rotate
            i 60 div 0.5 1 i 60 div sub setrgbcolor 0 0 40 30 rectfill grestore } for
          /list [ 0 1 3000 { 20 string cvs } for ] def
          /table 500 dict def
          list { dup length 3 string exch pop table 3 1 roll put } stopped pop clear
          showpage
        } for
        """)
    return ["gs", "-q", "-dNOPAUSE", "-dBATCH", "-dSAFER", "-sDEVICE=ppmraw", "-r110",
            "-dGraphicsAlphaBits=4", "-dTextAlphaBits=4", "-sOutputFile=page%d.ppm", "work.ps"]


def perl(folder):
    words(folder, 20000)
    write(folder, "work.pl", """
        my (%count, %by_length, @lines);
        open my $in, '<', 'words.txt' or die;
        while (my $line = <$in>) {
            chomp $line;
            my ($number, @words) = split ' ', $line;
            $count{$_}++ for @words;
            push @{$by_length{length $_}}, { word => $_, line => $number } for @words[0 .. 2];
            (my $copy = $line) =~ s/w(\\d)(\\d*)/W$2-$1/g;
            push @lines, join ',', reverse split / /, $copy;
        }
        my @sorted = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
        my %inverse;
        push @{$inverse{$count{$_}}}, $_ for @sorted;
        my $total = 0;
        for my $again (1 .. 3) {
            my %pairs;
            for (@lines) { my @f = split /,/; $pairs{"$f[0] $f[$again]"} .= "$f[2];" }
            $total += length join '', map { $pairs{$_} } keys %pairs;
        }
        print scalar(@sorted), ' ', scalar(keys %by_length), ' ', length(join '', @lines), " $total\\n";
        """)
    return ["perl", "work.pl"]


def repository(folder):
    words(folder, 3000)
    lines = (folder / "words.txt").read_text().splitlines()
    subprocess.run(["git", "init", "-q", "--bare", folder / "stones.git"], check=True)
    out = []
    for i in range(1, 601):
        out += ["commit refs/heads/main",
                f"committer Mason <mason@example.org> {1700000000 + i * 3600} +0000",
                f"data <<END\nStep {i}\nEND"]
        for file in (i % 17, i % 23 + 20, i % 41 + 50):
            start = i * 3 % 2000
            text = "\n".join(lines[start:start + 60 + i % 13])
            out += [f"M 100644 inline stones/{file}.txt", f"data <<END\n{text}\nEND"]
    subprocess.run(["git", "-C", folder / "stones.git", "fast-import", "--quiet"],
                   input="\n".join(out) + "\n", text=True, check=True)


def git_log(folder):
    repository(folder)
    return ["git", "-C", "stones.git", "log", "-p", "--stat", "-M", "-C", "--find-copies-harder",
            "main"]


def git_index(folder):
    repository(folder)
    subprocess.run(["git", "-C", folder / "stones.git", "repack", "-q", "-a", "-d", "-f",
                    "--depth=50", "--threads=1"], check=True)
    pack = next((folder / "stones.git" / "objects" / "pack").glob("*.pack"))
    (folder / "work.pack").write_bytes(pack.read_bytes())
    return ["sh", "-c", "for i in 1 2 3 4; do rm -f work.idx; "
            "git index-pack --threads=1 -o work.idx work.pack; git -C stones.git fsck --full; "
            "git verify-pack -v work.pack; done"]


def lua(folder):
    words(folder, 20000)
    write(folder, "work.lua", """
        local words, count, rows = {}, {}, {}
        for line in io.lines("words.txt") do
          local row = {}
          for word in line:gmatch("%S+") do
            row[#row + 1] = word
            count[word] = (count[word] or 0) + 1
          end
          rows[#rows + 1] = row
        end
        for word in pairs(count) do words[#words + 1] = word end
        table.sort(words)
        local function compose(f, g) return function(x) return f(g(x)) end end
        local f = function(x) return x end
        for i = 1, 150 do f = compose(f, function(x) return x .. i % 10 end) end
        local long = {}
        for i = 1, 400 do long[i] = f(words[i]) end
        for i = 1, #rows, 2 do rows[i] = nil end
        for i = 1, 600000 do
          long[i % 5000 + 1] = { i, tostring(i) .. words[i % #words + 1], function() return i end }
        end
        print(#words, #long, #table.concat(words))
        """)
    return ["lua5.4", "work.lua"]


def gawk(folder):
    words(folder, 15000)
    write(folder, "work.awk", """
        { for (i = 2; i <= NF; i++) {
            count[$i]++; where[$i] = where[$i] "," NR; pair[$i, $(i - 1)] = $1
        } }
        END {
            n = asorti(count, sorted)
            for (i = 1; i <= n; i++) {
                k = split(where[sorted[i]], lines, ","); total += k
                gsub(/[0-9]/, "#", where[sorted[i]])
            }
            for (p in pair) if (pair[p] % 3) delete pair[p]
            print n, total, length(pair)
        }
        """)
    return ["gawk", "-f", "work.awk", "words.txt"]


def jq(folder):
    records = ",".join(
        f'{{"id":{i},"name":"n{i * 7919 % 40001}","tags":[{i % 7},"t{i % 11}",null],'
        f'"in":{{"x":{i / 3:f}}}}}' for i in range(40000))
    (folder / "work.json").write_text(f"[{records}]\n")
    return ["jq", "group_by(.tags[1]) | map({key: .[0].tags[1], value: (map(.in.x) | add), "
            "names: (map(.name) | sort | join(\"-\"))}) | sort_by(.value)", "work.json"]


def cmake(folder):
    words(folder, 4000)
    write(folder, "work.cmake", """
        file(STRINGS words.txt lines LIMIT_COUNT 4000)
        foreach(line IN LISTS lines)
          string(REPLACE " " ";" fields "${line}")
          list(POP_FRONT fields number)
          foreach(field IN LISTS fields)
            string(APPEND seen_${field} " ${number}")
          endforeach()
          list(SORT fields)
          list(REVERSE fields)
          string(REGEX REPLACE "w([0-9])" "W\\\\1-" joined "${fields}")
          string(SHA256 digest "${joined}")
          list(APPEND digests ${digest})
        endforeach()
        list(LENGTH digests count)
        message(STATUS ${count})
        """)
    return ["cmake", "-P", "work.cmake"]
