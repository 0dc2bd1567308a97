# unity(TARGET): under LORALENS_UNITY, compiles the sources of a target in translation units of several files. Sources
# that SKIP_UNITY_BUILD_INCLUSION leaves out are compiled alone.
if(NOT LORALENS_UNITY)
  function(unity target)
  endfunction()
  return()
endif()

find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(unity_script ${CMAKE_CURRENT_LIST_DIR}/unity.py)

function(unity target)
  set(together "")
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    get_filename_component(path ${source} ABSOLUTE)
    get_source_file_property(alone ${path} SKIP_UNITY_BUILD_INCLUSION)
    if(path MATCHES "^${CMAKE_SOURCE_DIR}/.*\\.cc$" AND NOT alone)
      list(APPEND together ${path})
    endif()
  endforeach()
  execute_process(COMMAND ${Python3_EXECUTABLE} -B ${unity_script} ${CMAKE_SOURCE_DIR}/src 8 ${together}
    OUTPUT_VARIABLE units OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE ";" "@" units "${units}")
  string(REPLACE "\n" ";" units "${units}")
  set(number 0)
  foreach(members ${units})
    string(REPLACE "@" ";" members "${members}")
    set_source_files_properties(${members} PROPERTIES UNITY_GROUP ${number})
    math(EXPR number "${number} + 1")
  endforeach()
  # GCC warns of types with members from anonymous namespaces in every file but the unit's own.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # The units follow from the names that the sources and their headers define.
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*.h)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY
    CMAKE_CONFIGURE_DEPENDS ${together} ${headers} ${unity_script})
endfunction()
