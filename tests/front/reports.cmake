# Options and reports of the process heap, and the C++ operators.

# The parser alone: it goes without a heap, and so with every sanitizer.
ashlar_add_test(front.options SOURCES options_parse.c ${PROJECT_SOURCE_DIR}/src/front/options.c
                LINK ashlar_core)
add_executable(front_options_doc options_doc.c ${PROJECT_SOURCE_DIR}/src/front/options.c)
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
  set_tests_properties(front.verify PROPERTIES TIMEOUT 300 ENVIRONMENT
    "PROGRAM=$<TARGET_FILE:front_verify>;LC_ALL=C.UTF-8")
endif()
