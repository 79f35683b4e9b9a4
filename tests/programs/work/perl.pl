# Hashes, regular expressions, sorting, strings that grow, closures, evals, threads and forks.
use strict;
use warnings;
use threads;
use Digest::SHA qw(sha1_hex);
use Storable qw(freeze thaw);
use List::Util qw(sum0);
use Encode qw(encode decode);

my $seed = 1;
sub next_number { $seed = ($seed * 16807) % 2147483647; return $seed % $_[0] }

my %count;
for my $i (1 .. 300_000) {
    my $word = "word" . next_number(60_000);
    $count{$word}{n}++;
    push @{$count{$word}{at}}, $i;
    delete $count{"word" . next_number(60_000)} if $i % 3 == 0;
}
my @sorted = sort { $count{$b}{n} <=> $count{$a}{n} || $a cmp $b } keys %count;
print scalar(@sorted), " ", sha1_hex(join ",", map { "$_=$count{$_}{n}" } @sorted), "\n";

my $copy = thaw(freeze(\%count));
print sum0(map { scalar @{$_->{at}} } values %$copy), "\n";
undef $copy;

my $text = "";
$text .= sprintf("%s:%d;", $sorted[$_ % @sorted], $_) for 1 .. 100_000;
(my $other = $text) =~ s/(\d+):(\d+)/$2:$1/g;
print length($text), " ", sha1_hex($other), "\n";
my $wide = decode("UTF-8", encode("UTF-8", join "", map { chr(0x100 + $_ % 0x2000) } 1 .. 50_000));
print length($wide), " ", sha1_hex(encode("UTF-8", scalar reverse $wide)), "\n";

my @subs = map { eval "sub { my \@a = map { \$_ * $_ } 1 .. 10; return scalar(\@a) + \$_[0] }" } 1 .. 2000;
print sum0(map { $_->(1) } @subs), "\n";

my @threads = map {
    my $n = $_;
    threads->create(sub {
        my %h;
        $h{$_ % 1000} .= "t$n" for 1 .. 30_000;
        return sha1_hex(join ",", map { "$_$h{$_}" } sort keys %h);
    })
} 1 .. 4;
print $_->join(), "\n" for @threads;

for my $n (1 .. 8) {
    my $pid = open(my $from, "-|") // die "fork: $!";
    if ($pid == 0) {
        my @made = map { "x" x ($_ % 300) } 1 .. 5000;
        print sha1_hex(join $n, @made), "\n";
        exit 0;
    }
    print <$from>;
    close $from;
}
