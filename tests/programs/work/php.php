<?php
// Arrays, strings, objects with cycles, regular expressions. Run with the engine's own allocator off.
$seed = 3;
function following(int $n): int { global $seed; $seed = $seed * 16807 % 2147483647; return $seed % $n; }

class Node { public $next; public $text; function __construct($t) { $this->text = $t; } }

$words = [];
for ($i = 0; $i < 300000; $i++) {
    $words["w" . following(30000)][] = $i;
    if ($i % 3 == 0) unset($words["w" . following(30000)]);
}
ksort($words);
echo count($words), " ", sha1(json_encode($words)), "\n";
$text = serialize($words);
echo strlen($text), " ", count(unserialize($text)), "\n";
echo strlen(preg_replace_callback('/i:(\d+);/', fn($m) => "<" . $m[1] * 2 . ">", $text)), "\n";
for ($i = 0; $i < 50000; $i++) {
    $a = new Node("a$i"); $b = new Node(str_repeat("b", $i % 200));
    $a->next = $b; $b->next = $a;
}
echo gc_collect_cycles() >= 0 ? "collected\n" : "";
function numbers($n) { for ($i = 0; $i < $n; $i++) yield str_pad((string)$i, $i % 64, "x"); }
$sum = 0;
foreach (numbers(100000) as $s) $sum += strlen($s);
echo $sum, "\n";
$image = str_repeat("\0", 1 << 24);
for ($i = 0; $i < 1 << 16; $i++) $image[following(1 << 24)] = chr($i & 255);
echo sha1($image), " ", strlen(gzcompress($image, 1)) > 0 ? "packed" : "", "\n";
echo md5(implode(",", array_map(fn($x) => strrev($x), array_keys($words)))), "\n";
