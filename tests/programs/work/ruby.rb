# Objects, strings, threads, forks, fibers, compaction.
require "digest"
require "json"
require "zlib"

seed = 5
following = ->(n) { seed = seed * 16_807 % 2_147_483_647; seed % n }

words = {}
200_000.times { |i| (words["word#{following.(20_000)}"] ||= []) << i; words.delete("word#{following.(20_000)}") if i % 4 == 0 }
puts words.size, Digest::SHA1.hexdigest(words.sort.map { |k, v| "#{k}#{v.sum}" }.join)
text = JSON.generate(words)
puts text.size, JSON.parse(text).size
packed = Zlib::Deflate.deflate(text, 6)
puts Zlib::Inflate.inflate(packed) == text
puts Marshal.load(Marshal.dump(words)).size
puts text.gsub(/word(\d+)/) { $1.reverse }.size

threads = 6.times.map do |t|
  Thread.new { 20_000.times.map { |i| "thread#{t}#{i}" * (i % 7) }.map(&:size).sum }
end
puts threads.map(&:value).inspect

reader = 4.times.map do |n|
  from, to = IO.pipe
  pid = fork { from.close; to.write(Digest::SHA1.hexdigest("x" * 100_000 + n.to_s)); to.close; exit!(0) if n.odd? }
  to.close
  line = from.read
  Process.wait(pid)
  line
end
puts reader
fibers = 500.times.map { |i| Fiber.new { s = "f" * i; Fiber.yield s.size; s = s * 2; s.size } }
puts fibers.sum(&:resume) + fibers.sum(&:resume)
GC.start
GC.compact if GC.respond_to?(:compact)
GC.verify_internal_consistency
puts 2_000.times.map { |i| eval("->(x) { x * #{i} }").(2) }.sum
big = (3**20_000).to_s
puts Digest::SHA1.hexdigest(big)
