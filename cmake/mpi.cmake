# MPI, for trainings in several processes; optional. FindMPI looks for it by the C compiler, and would find that of this
# machine if another is the target.
if(NOT CMAKE_CROSSCOMPILING)
  enable_language(C)
  find_package(MPI COMPONENTS C QUIET)
endif()
