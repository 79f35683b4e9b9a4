#!/bin/sh
# Draws, resizes, blurs, composes and encodes images, with threads.
set -eu
convert-im6.q16 -size 900x700 gradient:navy-orange -swirl 180 -wave 12x90 start.ppm
sha1sum start.ppm
convert-im6.q16 start.ppm -resize 1500x -blur 0x3 -rotate 17 -quantize RGB -colors 64 small.png
convert-im6.q16 small.png rgb:- | sha1sum
convert-im6.q16 start.ppm \( +clone -negate -resize 40% \) -gravity center -compose multiply -composite \
    -quality 85 out.jpg
convert-im6.q16 out.jpg -depth 8 gray:- | sha1sum
convert-im6.q16 -delay 5 start.ppm -resize 200x \( +clone -roll +20+0 \) \( +clone -roll +20+9 \) anim.gif
identify-im6.q16 -format '%m %w %h %n\n' anim.gif | head -n 1
