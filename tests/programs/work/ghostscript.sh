#!/bin/sh
# Draws to a raster, to PDF, and the PDF to a raster again.
set -eu
gs -q -dBATCH -dNOPAUSE -dSAFER -sDEVICE=ppmraw -r100 -sOutputFile=page%d.ppm "$WORK/ghostscript.ps"
sha1sum page?.ppm
gs -q -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -o out.pdf "$WORK/ghostscript.ps"
gs -q -dBATCH -dNOPAUSE -sDEVICE=pgmraw -r72 -dNumRenderingThreads=2 -dTextAlphaBits=4 \
    -sOutputFile=again%d.pgm out.pdf
sha1sum again?.pgm
gs -q -dBATCH -dNOPAUSE -sDEVICE=txtwrite -o - out.pdf | cksum
