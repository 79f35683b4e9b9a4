# ashlar_add_fuzz_targets(NAME name SOURCES file... [INCLUDE_DIRECTORIES dir...]
#     [COMPILE_DEFINITIONS name[=value]...] [COMPILE_OPTIONS option...] [LINK_OPTIONS option...]
#     [ENGINES libfuzzer afl replay] [SANITIZERS none address] [EXCLUDE_FROM_ALL])
#
# Builds the harness fuzz_target for an allocator: its sources and an adapter, one file that defines
# ashlar_fuzz_target() (ashlar/target.h). Each engine and each sanitizer is one program:
#
#   fuzz_NAME_libfuzzer   fuzz_NAME_libfuzzer_address   Clang; address brings UBSan too
#   fuzz_NAME_afl         fuzz_NAME_afl_address         AFL++, persistent mode
#   fuzz_NAME_cmplog                                    AFL++'s twin that tells compared values (-c)
#   fuzz_NAME_replay      fuzz_NAME_replay_address      runs files and directories, without an engine
#
# in the binary directory, and all together the target fuzz_NAME. The compilers are clang and
# afl-clang-fast wherever they are found, whichever one the project itself is built with; what is not
# there is left out, with a message. Libraries that the program loads find coverage's functions in it.
#
# ASHLAR_FUZZ_FILES is the folder of the harness's sources that each engine compiles its own way, and
# ashlar::fuzz the archive with the rest.
find_program(ASHLAR_CLANG clang)
find_program(ASHLAR_CLANGXX clang++)
find_program(ASHLAR_AFL_CLANG afl-clang-fast)
find_program(ASHLAR_AFL_CLANGXX afl-clang-fast++)
find_library(ASHLAR_AFL_DRIVER_LIBRARY AFLDriver PATHS /usr/lib/afl /usr/local/lib/afl)
mark_as_advanced(ASHLAR_CLANG ASHLAR_CLANGXX ASHLAR_AFL_CLANG ASHLAR_AFL_CLANGXX
  ASHLAR_AFL_DRIVER_LIBRARY)

# One program. Of the caller: fuzz_*. How: compilers, flags of both steps, further sources.
function(ashlar_add_fuzz_program program)
  cmake_parse_arguments(PARSE_ARGV 1 how "" "CC;CXX" "ENVIRONMENT;COMPILE;LINK;SOURCES")
  set(objects "")
  set(linker ${how_CC})
  set(includes ${ASHLAR_FUZZ_FILES} ${fuzz_INCLUDE_DIRECTORIES})
  list(TRANSFORM includes PREPEND -I)
  set(definitions ${fuzz_COMPILE_DEFINITIONS})
  list(TRANSFORM definitions PREPEND -D)
  set(headers "$<TARGET_PROPERTY:ashlar::fuzz,INTERFACE_INCLUDE_DIRECTORIES>")
  foreach(source IN LISTS fuzz_SOURCES how_SOURCES)
    get_filename_component(source ${source} ABSOLUTE)
    string(MD5 hash ${source}) # two sources may have one name
    string(SUBSTRING ${hash} 0 6 hash)
    get_filename_component(leaf ${source} NAME)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${program}.dir/${leaf}.${hash}.o)
    set(compiler ${how_CC} -std=gnu17)
    if(NOT source MATCHES "\\.c$")
      set(compiler ${how_CXX})
      set(linker ${how_CXX})
    endif()
    add_custom_command(OUTPUT ${object}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/${program}.dir
      COMMAND ${CMAKE_COMMAND} -E env AFL_QUIET=1 ${how_ENVIRONMENT} ${compiler}
        -O1 -g -fno-omit-frame-pointer ${how_COMPILE} "-I$<JOIN:${headers},;-I>" ${includes}
        ${definitions} ${fuzz_COMPILE_OPTIONS} -MD -MF ${object}.d -c ${source} -o ${object}
      DEPENDS ${source} DEPFILE ${object}.d COMMAND_EXPAND_LISTS VERBATIM
      COMMENT "${program}: ${leaf}")
    list(APPEND objects ${object})
  endforeach()
  add_custom_command(OUTPUT ${program}
    # Engines may name the entry point weakly, which takes nothing out of an archive.
    COMMAND ${CMAKE_COMMAND} -E env AFL_QUIET=1 ${how_ENVIRONMENT} ${linker} -g ${objects}
      -Wl,-u,LLVMFuzzerTestOneInput ${how_LINK} $<TARGET_FILE:ashlar::fuzz> -rdynamic -lzstd -ldl -lpthread ${fuzz_LINK_OPTIONS}
      -o ${program}
    DEPENDS ${objects} ashlar::fuzz $<TARGET_FILE:ashlar::fuzz> VERBATIM COMMENT "${program}")
  add_custom_target(${program}_program DEPENDS ${program})
  add_dependencies(fuzz_${fuzz_NAME} ${program}_program)
endfunction()

function(ashlar_add_libfuzzer_program sanitizer suffix)
  if(NOT ASHLAR_CLANG OR NOT ASHLAR_CLANGXX)
    message(STATUS "fuzz_${fuzz_NAME}: no clang: left out for libFuzzer")
    return()
  endif()
  # `none` is linked with UBSan's runtime all the same: it prints the stacks of crashes.
  set(compile -fsanitize=fuzzer-no-link)
  set(link -fsanitize=fuzzer,undefined)
  if(sanitizer STREQUAL address)
    list(APPEND compile -fsanitize=address,undefined -fno-sanitize-recover=all)
    set(link -fsanitize=fuzzer,address,undefined)
  endif()
  ashlar_add_fuzz_program(fuzz_${fuzz_NAME}_libfuzzer${suffix}
    CC ${ASHLAR_CLANG} CXX ${ASHLAR_CLANGXX} COMPILE ${compile} LINK ${link}
    SOURCES ${ASHLAR_FUZZ_FILES}/features.c ${ASHLAR_FUZZ_FILES}/mutator_libfuzzer.c)
endfunction()

function(ashlar_add_afl_program sanitizer suffix)
  if(NOT ASHLAR_AFL_CLANG OR NOT ASHLAR_AFL_CLANGXX OR NOT ASHLAR_AFL_DRIVER_LIBRARY)
    message(STATUS "fuzz_${fuzz_NAME}: no afl-clang-fast with libAFLDriver: left out for AFL++")
    return()
  endif()
  set(flags "")
  if(sanitizer STREQUAL address)
    set(flags -fsanitize=address,undefined -fno-sanitize-recover=all)
  endif()
  set(common CC ${ASHLAR_AFL_CLANG} CXX ${ASHLAR_AFL_CLANGXX} COMPILE ${flags}
    LINK ${flags} ${ASHLAR_AFL_DRIVER_LIBRARY} SOURCES ${ASHLAR_FUZZ_FILES}/features.c)
  ashlar_add_fuzz_program(fuzz_${fuzz_NAME}_afl${suffix} ${common})
  if(sanitizer STREQUAL none)
    ashlar_add_fuzz_program(fuzz_${fuzz_NAME}_cmplog ENVIRONMENT AFL_LLVM_CMPLOG=1 ${common})
  endif()
endfunction()

function(ashlar_add_replay_program sanitizer suffix)
  set(cc ${CMAKE_C_COMPILER})
  set(cxx ${CMAKE_CXX_COMPILER})
  set(flags "")
  if(sanitizer STREQUAL address)
    if(ASHLAR_CLANG AND ASHLAR_CLANGXX)
      set(cc ${ASHLAR_CLANG})
      set(cxx ${ASHLAR_CLANGXX})
    endif()
    set(flags -fsanitize=address,undefined -fno-sanitize-recover=all)
  endif()
  ashlar_add_fuzz_program(fuzz_${fuzz_NAME}_replay${suffix} CC ${cc} CXX ${cxx}
    COMPILE ${flags} LINK ${flags}
    SOURCES ${ASHLAR_FUZZ_FILES}/features.c ${ASHLAR_FUZZ_FILES}/standalone_main.c)
endfunction()

function(ashlar_add_fuzz_targets)
  cmake_parse_arguments(PARSE_ARGV 0 fuzz "EXCLUDE_FROM_ALL" "NAME"
    "SOURCES;INCLUDE_DIRECTORIES;COMPILE_DEFINITIONS;COMPILE_OPTIONS;LINK_OPTIONS;ENGINES;SANITIZERS")
  if(NOT fuzz_NAME OR NOT fuzz_SOURCES OR fuzz_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ashlar_add_fuzz_targets(NAME name SOURCES file...): "
      "no ${fuzz_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT fuzz_ENGINES)
    set(fuzz_ENGINES libfuzzer afl replay)
  endif()
  if(NOT fuzz_SANITIZERS)
    set(fuzz_SANITIZERS none address)
  endif()
  if(fuzz_EXCLUDE_FROM_ALL)
    add_custom_target(fuzz_${fuzz_NAME})
  else()
    add_custom_target(fuzz_${fuzz_NAME} ALL)
  endif()
  foreach(engine IN LISTS fuzz_ENGINES)
    foreach(sanitizer IN LISTS fuzz_SANITIZERS)
      set(suffix "")
      if(sanitizer STREQUAL address)
        set(suffix _address)
      elseif(NOT sanitizer STREQUAL none)
        message(FATAL_ERROR "ashlar_add_fuzz_targets: no sanitizer ${sanitizer}: none, address")
      endif()
      if(NOT engine MATCHES "^(libfuzzer|afl|replay)$")
        message(FATAL_ERROR "ashlar_add_fuzz_targets: no engine ${engine}: libfuzzer, afl, replay")
      endif()
      cmake_language(CALL ashlar_add_${engine}_program ${sanitizer} "${suffix}")
    endforeach()
  endforeach()
endfunction()
