# Embeds the parts of the report's page that are not C++.
include(embed)
foreach(part html css js)
  embed(loralens_library page_${part} ${CMAKE_SOURCE_DIR}/src/report/page.${part})
endforeach()
embed_vega(loralens_library)
