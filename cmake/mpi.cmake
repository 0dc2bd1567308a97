# MPI, for trainings in several processes; optional. FindMPI looks for it by the C compiler.
enable_language(C)
if(NOT CMAKE_CROSSCOMPILING)  # FindMPI would find this machine's
  find_package(MPI COMPONENTS C QUIET)
endif()
