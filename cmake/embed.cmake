# embed(TARGET NAME FILE): compiles a text file into a target as `const std::string_view loralens::embedded::NAME`.
# embed_vega(TARGET): the same for Vega, Vega-Lite and Vega-Embed as one script, `vega`, out of the Python package
# vl-convert-python. LORALENS_PYTHON: a Python that has it (.venv by default).
# As a script (cmake -DNAME=... -DFILE=... -DOUT=... -P embed.cmake) it writes the source.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ "${FILE}" text)
  # Literals are joined by the compiler; some take no more than 65,536 characters in one.
  string(LENGTH "${text}" length)
  set(literals "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 32000 part)
    string(APPEND literals "R\"embedded(${part})embedded\"\n")
    math(EXPR at "${at} + 32000")
  endwhile()
  file(WRITE "${OUT}" "#include <string_view>\n\nnamespace loralens::embedded {\n"
    "extern const std::string_view ${NAME};\nconst std::string_view ${NAME} =\n${literals};\n}\n")
  return()
endif()

set(embed_script ${CMAKE_CURRENT_LIST_FILE})

function(embed target name file)
  set(source ${CMAKE_BINARY_DIR}/embedded/${name}.cc)
  add_custom_command(OUTPUT ${source} DEPENDS ${file} ${embed_script} VERBATIM
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DFILE=${file} -DOUT=${source} -P ${embed_script}
    COMMENT "Embedding ${name}")
  target_sources(${target} PRIVATE ${source})
endfunction()

function(embed_vega target)
  set(LORALENS_PYTHON ${CMAKE_SOURCE_DIR}/.venv/bin/python CACHE FILEPATH "Python that has vl-convert-python")
  execute_process(COMMAND ${LORALENS_PYTHON} -c "import vl_convert" RESULT_VARIABLE missing OUTPUT_QUIET ERROR_QUIET)
  if(missing)
    message(FATAL_ERROR "'${LORALENS_PYTHON}' has no vl-convert-python: run ./run-tests once, or give "
      "-DLORALENS_PYTHON=... of a Python with the packages of setup/requirements.txt")
  endif()
  set(bundle ${CMAKE_BINARY_DIR}/embedded/vega.js)
  add_custom_command(OUTPUT ${bundle} DEPENDS ${CMAKE_SOURCE_DIR}/setup/requirements.txt VERBATIM
    COMMAND ${LORALENS_PYTHON} -c
      "import sys, vl_convert; open(sys.argv[1], 'w', encoding='utf-8').write(vl_convert.javascript_bundle())" ${bundle}
    COMMENT "Bundling Vega")
  embed(${target} vega ${bundle})
endfunction()
