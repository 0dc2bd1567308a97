# `cmake --install`: component `program` is bin/loralens with the LibTorch libraries it needs in lib/loralens; component
# `development` is the static library, the headers (LibTorch's too) and the CMake package. The folder can be moved.
# LibTorch's CUDA libraries, several GB in many packages, are not copied: a program built with them needs the CUDA wheel
# in its original place.
include(CMakePackageConfigHelpers)
set(package_folder lib/cmake/loralens)
set(torch_folder lib/loralens)

install(TARGETS loralens COMPONENT program)
install(FILES LICENSE DESTINATION share/doc/loralens COMPONENT program)
if(EXISTS ${LORALENS_TORCH}/lib/libtorch_cuda.so)
  set_target_properties(loralens PROPERTIES INSTALL_RPATH ${LORALENS_TORCH}/lib)
  target_link_directories(libtorch INTERFACE $<INSTALL_INTERFACE:${LORALENS_TORCH}/lib>)
else()
  set_target_properties(loralens PROPERTIES INSTALL_RPATH "$ORIGIN/../${torch_folder}")
  target_link_directories(libtorch INTERFACE $<INSTALL_INTERFACE:$<INSTALL_PREFIX>/${torch_folder}>)
  file(GLOB libraries CONFIGURE_DEPENDS ${LORALENS_TORCH}/lib/lib*.so*)
  # Only Python uses these.
  list(FILTER libraries EXCLUDE REGEX "/lib(torch_python|torch_global_deps|shm|aoti|[a-z_]*(test|backend))[^/]*$")
  foreach(component program development)
    install(FILES ${libraries} DESTINATION ${torch_folder} COMPONENT ${component})
  endforeach()
endif()

# Headers of the library: without those of cli, which belong to the program, and without test_*.h of the unit tests.
install(DIRECTORY src/ DESTINATION include/loralens COMPONENT development
  FILES_MATCHING PATTERN "*.h" PATTERN "test_*.h" EXCLUDE PATTERN "cli" EXCLUDE)
foreach(part ${torch_parts})
  install(DIRECTORY ${LORALENS_TORCH}/include/${part} DESTINATION include/loralens-torch COMPONENT development)
endforeach()
target_include_directories(libtorch SYSTEM INTERFACE $<INSTALL_INTERFACE:include/loralens-torch>)
install(TARGETS loralens_library libtorch EXPORT loralens COMPONENT development)
install(EXPORT loralens NAMESPACE loralens:: FILE loralens-targets.cmake DESTINATION ${package_folder}
  COMPONENT development)
configure_package_config_file(cmake/loralens-config.cmake.in ${CMAKE_BINARY_DIR}/loralens-config.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/loralens-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/loralens-config.cmake ${CMAKE_BINARY_DIR}/loralens-config-version.cmake
  cmake/dependencies.cmake cmake/mpi.cmake DESTINATION ${package_folder} COMPONENT development)

# The build folder is a package, too (find_package(loralens PATHS build/release)), with LibTorch in the build's wheel.
export(EXPORT loralens NAMESPACE loralens:: FILE ${CMAKE_BINARY_DIR}/loralens-targets.cmake)
configure_file(cmake/dependencies.cmake ${CMAKE_BINARY_DIR}/dependencies.cmake COPYONLY)
configure_file(cmake/mpi.cmake ${CMAKE_BINARY_DIR}/mpi.cmake COPYONLY)
