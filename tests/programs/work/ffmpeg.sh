#!/bin/sh
# Encodes a made-up film with threads in several codecs, filters it, decodes it again.
set -eu
run() { ffmpeg -nostdin -hide_banner -loglevel error -y "$@"; }
run -f lavfi -i testsrc2=size=640x360:rate=25:duration=3 -f lavfi -i sine=duration=3 \
    -c:v libx264 -threads 4 -preset veryfast -c:a aac -fflags +bitexact -flags +bitexact one.mkv
run -i one.mkv -f framecrc - | cksum
run -i one.mkv -vf 'scale=320x180,hue=h=40,gblur=2' -c:v mpeg4 -threads 2 -c:a flac two.mkv
run -i two.mkv -map 0:v -f framecrc - | cksum
run -i two.mkv -map 0:a -f framecrc - | cksum
run -i one.mkv -frames:v 5 frame%d.png
cksum frame?.png
