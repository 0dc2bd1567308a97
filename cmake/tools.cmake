# Faster builds where the machine has the tools for it.
find_program(CCACHE ccache)
if(CCACHE)
  # CCACHE_SLOPPINESS and -fpch-preprocess: ccache caches files compiled with a precompiled header only with these.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
