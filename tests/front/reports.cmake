# Options and reports of the process heap, and the C++ operators.

# The parser alone: it goes without a heap, and so with every sanitizer.
ashlar_add_test(front.options SOURCES options_parse.c ${PROJECT_SOURCE_DIR}/src/front/options.c
                LINK ashlar_core)
add_executable(front_options_doc options_doc.c ../generated.c ${PROJECT_SOURCE_DIR}/src/front/options.c)
target_link_libraries(front_options_doc PRIVATE ashlar_core ashlar_options)
add_test(NAME docs_options COMMAND front_options_doc ${PROJECT_SOURCE_DIR}/docs/OPTIONS.md)

if(ASHLAR_SANITIZE OR ASHLAR_COVERAGE)
  return()
endif()
find_program(BATS bats)

add_executable(front_verify programs/verify.c)
target_link_libraries(front_verify PRIVATE ashlar_options ashlar_shared pthread)
target_compile_options(front_verify PRIVATE -fno-builtin)
if(BATS)
  add_test(NAME front.verify COMMAND ${BATS} --print-output-on-failure
    ${CMAKE_CURRENT_SOURCE_DIR}/verify.bats)
  set_tests_properties(front.verify PROPERTIES ENVIRONMENT
    "PROGRAM=$<TARGET_FILE:front_verify>;LC_ALL=C.UTF-8")
endif()

# operators_program(kind name WAY sources...): a C++ program or plug-in on the library as `way` says.
function(operators_program kind name way)
  if(kind STREQUAL "program")
    add_executable(${name} ${ARGN})
  else()
    add_library(${name} MODULE ${ARGN})
  endif()
  set_target_properties(${name} PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
  # Calls of the operators are what is tested, sizes that cannot be had included.
  target_compile_options(${name} PRIVATE -fno-builtin
    $<$<COMPILE_LANGUAGE:CXX>:-fsized-deallocation -Wno-delete-non-virtual-dtor>
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-alloc-size-larger-than -Wno-mismatched-new-delete
      -Wno-sized-deallocation>)
  target_link_libraries(${name} PRIVATE ashlar_options dl)
  if(way STREQUAL "linked")
    target_link_libraries(${name} PRIVATE ashlar_shared)
  elseif(way MATCHES "archive|static")
    target_link_libraries(${name} PRIVATE ashlar_static)
  endif()
  if(way STREQUAL "static")
    target_link_options(${name} PRIVATE -static)
  elseif(way STREQUAL "libc++")
    target_compile_options(${name} PRIVATE -stdlib=libc++)
    target_link_options(${name} PRIVATE -stdlib=libc++)
  endif()
endfunction()

# operators_test(name way command...)
function(operators_test name way)
  add_test(NAME front.operators.${name} COMMAND ${ARGN})
  set(environment "ASHLAR_OPTIONS=region_bytes=64M")
  if(way MATCHES "preloaded|libc")
    list(APPEND environment "LD_PRELOAD=$<TARGET_FILE:ashlar_shared>")
  endif()
  set_tests_properties(front.operators.${name} PROPERTIES ENVIRONMENT "${environment}")
endfunction()

set(operators_ways preloaded linked archive)
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LINK_OPTIONS -static)
check_cxx_source_compiles("#include <new>\nint main() { delete new int; }" ASHLAR_STATIC_CXX)
unset(CMAKE_REQUIRED_LINK_OPTIONS)
if(ASHLAR_STATIC_CXX)
  list(APPEND operators_ways static)
endif()
set(CMAKE_REQUIRED_FLAGS -stdlib=libc++)
check_cxx_source_compiles("#include <new>\nint main() { delete new int; }" ASHLAR_LIBCXX)
unset(CMAKE_REQUIRED_FLAGS)
if(ASHLAR_LIBCXX)
  list(APPEND operators_ways libc++)
endif()
operators_program(plugin front_operators_plugin none programs/operators.cc)
foreach(way ${operators_ways})
  operators_program(program front_operators_${way} ${way} programs/operators.cc
    programs/operators_main.cc)
  operators_test(${way} ${way} front_operators_${way})
  foreach(replaced new new_delete)
    set(program front_operators_${replaced}_${way})
    operators_program(program ${program} ${way} programs/operators_replaced.cc
      programs/operators_replaced_${replaced}.cc)
    operators_test(${replaced}.${way} ${way} ${program})
  endforeach()
endforeach()
foreach(way preloaded linked)
  operators_program(program front_operators_host_${way} ${way} programs/operators_host.c)
  operators_test(plugin.${way} ${way} front_operators_host_${way}
    $<TARGET_FILE:front_operators_plugin>)
  add_dependencies(front_operators_host_${way} front_operators_plugin)
endforeach()
