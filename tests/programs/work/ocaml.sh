#!/bin/sh
# Compiles a program to native code and to byte code, and runs both.
set -eu
cat >made.ml <<'END'
module Words = Map.Make (String)
let seed = ref 17
let following n = seed := !seed * 16807 mod 2147483647; !seed mod n
let () =
  let words = ref Words.empty in
  for i = 1 to 150_000 do
    let k = Printf.sprintf "w%d" (following 9000) in
    words := Words.update k (function None -> Some [i] | Some l -> Some (i :: l)) !words;
    if i mod 3 = 0 then words := Words.remove (Printf.sprintf "w%d" (following 9000)) !words
  done;
  Printf.printf "%d %d\n" (Words.cardinal !words) (Words.fold (fun _ l n -> n + List.length l) !words 0);
  let b = Buffer.create 16 in
  for i = 1 to 200_000 do Buffer.add_string b (string_of_int i) done;
  print_endline (Digest.to_hex (Digest.string (Buffer.contents b)));
  let arrays = Array.init 300 (fun i -> Array.make (i * 300) (float_of_int i)) in
  Gc.compact ();
  Printf.printf "%.0f\n" (Array.fold_left (fun s a -> Array.fold_left (+.) s a) 0. arrays)
END
ocamlopt -O3 made.ml -o native 2>/dev/null
./native
ocamlc made.ml -o bytes
./bytes
