# Dictionaries, lists, strings, regular expressions, coroutines, interpreters.
set seed 9
proc following {n} { global seed; set seed [expr {$seed * 16807 % 2147483647}]; expr {$seed % $n} }
set words {}
for {set i 0} {$i < 60000} {incr i} {
    dict lappend words w[following 8000] $i
    if {$i % 3 == 0} { dict unset words w[following 8000] }
}
puts [dict size $words]
set text [lsort [dict keys $words]]
puts [string length $text]
puts [zlib crc32 [encoding convertto utf-8 $text]]
puts [regsub -all {w(\d)} $text {<\1>} other]
puts [zlib crc32 [zlib inflate [zlib deflate $other]]]
proc counter {n} { yield; for {set i 0} {$i < $n} {incr i} { yield [string repeat x $i] } }
set total 0
for {set c 0} {$c < 200} {incr c} {
    coroutine co$c counter 50
    for {set i 0} {$i < 50} {incr i} { incr total [string length [co$c]] }
}
puts $total
for {set i 0} {$i < 50} {incr i} {
    set child [interp create]
    $child eval { proc f {x} { expr {$x * 2} } }
    incr total [$child eval [list f $i]]
    interp delete $child
}
puts $total
set big [string repeat "0123456789abcdef" 1000000]
puts [zlib crc32 $big]
