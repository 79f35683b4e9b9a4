# What `cmake --install` lays down, and how others find it:
#   the libraries, as targets ashlar::ashlar (shared), ashlar::static and ashlar::heap, for
#   find_package(ashlar) and for add_subdirectory alike; ashlar.pc and ashlar-heap.pc for pkg-config;
#   the command and the recorder's library where the command looks for it; what
#   ashlar_add_fuzz_targets needs, and the programs and seeds of `ashlar fuzz`.
# All of it may be moved: nothing holds the prefix. docs/EMBEDDING.md is the description.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

foreach(name shared static heap fuzz)
  if(TARGET ashlar_${name})
    string(REPLACE shared ashlar exported ${name})
    set_target_properties(ashlar_${name} PROPERTIES EXPORT_NAME ${exported})
    if(NOT TARGET ashlar::${exported})
      add_library(ashlar::${exported} ALIAS ashlar_${name})
    endif()
  endif()
endforeach()
# Whoever links these wants their malloc, also when it is only libraries that call it; and the linkers
# of some distributions drop a shared library that the program itself does not call.
target_link_options(ashlar_shared INTERFACE
  LINKER:--push-state,--no-as-needed,$<TARGET_FILE:ashlar::ashlar>,--pop-state)
if(NOT TARGET ashlar_static)
  return() # a build with sanitizers or coverage is not for installing
endif()
target_link_options(ashlar_static INTERFACE LINKER:--undefined=malloc)

install(TARGETS ashlar_shared ashlar_static ashlar_heap EXPORT ashlar
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# Those of traces and targets come with libashlar-fuzz.a, which has what they declare.
set(public_headers ashlar.h check.h finding.h findings.def heap.h os.h)
list(TRANSFORM public_headers PREPEND ${PROJECT_SOURCE_DIR}/include/ashlar/)
install(FILES ${public_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ashlar)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
  ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs ${PROJECT_SOURCE_DIR}/examples
  DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(TARGET ashlar_fuzz)
  install(TARGETS ashlar_fuzz EXPORT ashlar ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/include/ashlar/target.h
    ${PROJECT_SOURCE_DIR}/include/ashlar/trace.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ashlar)
  set(fuzz_files cases.h clean.c engine.h harness.h mutator.h watch.h features.c mutator_libfuzzer.c
    standalone_main.c)
  list(TRANSFORM fuzz_files PREPEND ${PROJECT_SOURCE_DIR}/fuzz/)
  install(FILES ${fuzz_files} DESTINATION ${CMAKE_INSTALL_DATADIR}/ashlar/fuzz)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/corpus/fuzz_heap/
    DESTINATION ${CMAKE_INSTALL_DATADIR}/ashlar/seeds FILES_MATCHING PATTERN *.raw)
  install(TARGETS ashlar_mutator LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/ashlar)
  foreach(engine libfuzzer afl)
    foreach(suffix "" _address)
      install(PROGRAMS ${PROJECT_BINARY_DIR}/fuzz/fuzz_library_${engine}${suffix}
        ${PROJECT_BINARY_DIR}/fuzz/fuzz_ashlar_${engine}${suffix}
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/ashlar OPTIONAL)
    endforeach()
  endforeach()
endif()

set(config ${CMAKE_INSTALL_LIBDIR}/cmake/ashlar)
install(EXPORT ashlar FILE ashlar-targets.cmake NAMESPACE ashlar:: DESTINATION ${config})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ashlar-config.cmake.in
  ${PROJECT_BINARY_DIR}/cmake/ashlar-config.cmake INSTALL_DESTINATION ${config}
  PATH_VARS CMAKE_INSTALL_DATADIR NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/ashlar-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/ashlar-config.cmake
  ${PROJECT_BINARY_DIR}/cmake/ashlar-config-version.cmake
  ${CMAKE_CURRENT_LIST_DIR}/AshlarFuzzTargets.cmake DESTINATION ${config})

# pkg-config finds the prefix from where the file lies.
set(pc_folder ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_prefix ${pc_folder} ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH pc_libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH pc_includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
foreach(name ashlar ashlar-heap)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${name}.pc.in ${PROJECT_BINARY_DIR}/cmake/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/cmake/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
