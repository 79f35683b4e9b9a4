# ashlar_add_fuzz_targets(NAME name SOURCES file... [INCLUDE_DIRECTORIES dir...]
#     [COMPILE_DEFINITIONS name[=value]...] [COMPILE_OPTIONS option...] [LINK_OPTIONS option...]
#     [ENGINES libfuzzer afl replay] [SANITIZERS none address undefined memory]
#     [EXCLUDE_FROM_ALL])
#
# Builds the harness fuzz_target for an allocator: its sources and an adapter, one file that defines
# ashlar_fuzz_target() (ashlar/target.h). Each engine and each sanitizer is one program:
#
#   fuzz_NAME_libfuzzer, fuzz_NAME_libfuzzer_SANITIZER   Clang; address brings UBSan too
#   fuzz_NAME_afl, fuzz_NAME_afl_SANITIZER               AFL++, persistent mode
#   fuzz_NAME_cmplog                                     AFL++'s twin that tells compared values (-c)
#   fuzz_NAME_replay, fuzz_NAME_replay_SANITIZER         runs files and directories, without an engine
#
# in the binary directory, and all together the target fuzz_NAME. Without SANITIZERS or ENGINES all are
# built; the variable ASHLAR_FUZZ_SANITIZERS, when set, is the default of the former. memory judges the
# SOURCES alone: the harness is not instrumented. The compilers are clang and
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

# One program. Of the caller: fuzz_*. How: compilers, flags of both steps; flags and sources besides
# for what is sanitized (the caller's sources); further sources.
function(ashlar_add_fuzz_program program)
  cmake_parse_arguments(PARSE_ARGV 1 how "" "CC;CXX"
    "ENVIRONMENT;COMPILE;LINK;SANITIZE;SANITIZED;SOURCES")
  set(objects "")
  set(linker ${how_CC})
  set(includes ${ASHLAR_FUZZ_FILES} ${fuzz_INCLUDE_DIRECTORIES})
  list(TRANSFORM includes PREPEND -I)
  set(definitions ${fuzz_COMPILE_DEFINITIONS})
  list(TRANSFORM definitions PREPEND -D)
  set(headers "$<TARGET_PROPERTY:ashlar::fuzz,INTERFACE_INCLUDE_DIRECTORIES>")
  set(sanitized ${fuzz_SOURCES} ${how_SANITIZED})
  foreach(source IN LISTS sanitized how_SOURCES)
    set(sanitize "")
    if(source IN_LIST sanitized)
      set(sanitize ${how_SANITIZE})
    endif()
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
        -O1 -g -fno-omit-frame-pointer ${how_COMPILE} ${sanitize} "-I$<JOIN:${headers},;-I>" ${includes}
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

# Sets ashlar_flags and ashlar_files in the caller to what a sanitizer needs of every program.
macro(ashlar_sanitizer_needs sanitizer)
  set(ashlar_flags "")
  set(ashlar_files "")
  if(${sanitizer} STREQUAL address)
    set(ashlar_flags -fsanitize=address,undefined -fno-sanitize-recover=all)
  elseif(${sanitizer} STREQUAL undefined)
    set(ashlar_flags -fsanitize=undefined -fno-sanitize-recover=all)
  elseif(${sanitizer} STREQUAL memory)
    set(ashlar_flags -fsanitize=memory)
    set(ashlar_files ${ASHLAR_FUZZ_FILES}/clean.c)
  endif()
endmacro()

function(ashlar_add_libfuzzer_program sanitizer suffix)
  if(NOT ASHLAR_CLANG OR NOT ASHLAR_CLANGXX)
    message(STATUS "fuzz_${fuzz_NAME}: no clang: left out for libFuzzer")
    return()
  endif()
  ashlar_sanitizer_needs(${sanitizer})
  set(link -fsanitize=fuzzer ${ashlar_flags})
  if(sanitizer STREQUAL none)
    list(APPEND link -fsanitize=undefined) # its runtime prints the stacks of crashes
  endif()
  ashlar_add_fuzz_program(fuzz_${fuzz_NAME}_libfuzzer${suffix}
    CC ${ASHLAR_CLANG} CXX ${ASHLAR_CLANGXX} COMPILE -fsanitize=fuzzer-no-link
    LINK ${link} SANITIZE ${ashlar_flags} SANITIZED ${ashlar_files}
    SOURCES ${ASHLAR_FUZZ_FILES}/features.c ${ASHLAR_FUZZ_FILES}/mutator_libfuzzer.c)
endfunction()

function(ashlar_add_afl_program sanitizer suffix)
  if(NOT ASHLAR_AFL_CLANG OR NOT ASHLAR_AFL_CLANGXX OR NOT ASHLAR_AFL_DRIVER_LIBRARY)
    message(STATUS "fuzz_${fuzz_NAME}: no afl-clang-fast with libAFLDriver: left out for AFL++")
    return()
  endif()
  ashlar_sanitizer_needs(${sanitizer})
  set(common CC ${ASHLAR_AFL_CLANG} CXX ${ASHLAR_AFL_CLANGXX}
    LINK ${ashlar_flags} ${ASHLAR_AFL_DRIVER_LIBRARY} SANITIZE ${ashlar_flags}
    SANITIZED ${ashlar_files} SOURCES ${ASHLAR_FUZZ_FILES}/features.c)
  ashlar_add_fuzz_program(fuzz_${fuzz_NAME}_afl${suffix} ${common})
  if(sanitizer STREQUAL none)
    ashlar_add_fuzz_program(fuzz_${fuzz_NAME}_cmplog ENVIRONMENT AFL_LLVM_CMPLOG=1 ${common})
  endif()
endfunction()

function(ashlar_add_replay_program sanitizer suffix)
  set(cc ${CMAKE_C_COMPILER})
  set(cxx ${CMAKE_CXX_COMPILER})
  if(NOT sanitizer STREQUAL none AND ASHLAR_CLANG AND ASHLAR_CLANGXX)
    set(cc ${ASHLAR_CLANG})
    set(cxx ${ASHLAR_CLANGXX})
  elseif(sanitizer STREQUAL memory)
    message(STATUS "fuzz_${fuzz_NAME}: no clang: left out for MemorySanitizer")
    return()
  endif()
  ashlar_sanitizer_needs(${sanitizer})
  ashlar_add_fuzz_program(fuzz_${fuzz_NAME}_replay${suffix} CC ${cc} CXX ${cxx}
    LINK ${ashlar_flags} SANITIZE ${ashlar_flags} SANITIZED ${ashlar_files}
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
  if(NOT fuzz_SANITIZERS AND ASHLAR_FUZZ_SANITIZERS)
    set(fuzz_SANITIZERS ${ASHLAR_FUZZ_SANITIZERS})
  elseif(NOT fuzz_SANITIZERS)
    set(fuzz_SANITIZERS none address undefined memory)
  endif()
  if(fuzz_EXCLUDE_FROM_ALL)
    add_custom_target(fuzz_${fuzz_NAME})
  else()
    add_custom_target(fuzz_${fuzz_NAME} ALL)
  endif()
  foreach(engine IN LISTS fuzz_ENGINES)
    foreach(sanitizer IN LISTS fuzz_SANITIZERS)
      set(suffix "_${sanitizer}")
      if(sanitizer STREQUAL none)
        set(suffix "")
      elseif(NOT sanitizer MATCHES "^(address|undefined|memory)$")
        message(FATAL_ERROR "ashlar_add_fuzz_targets: no sanitizer ${sanitizer}: none, address, "
          "undefined, memory")
      endif()
      if(NOT engine MATCHES "^(libfuzzer|afl|replay)$")
        message(FATAL_ERROR "ashlar_add_fuzz_targets: no engine ${engine}: libfuzzer, afl, replay")
      endif()
      cmake_language(CALL ashlar_add_${engine}_program ${sanitizer} "${suffix}")
    endforeach()
  endforeach()
endfunction()
