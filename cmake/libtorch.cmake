# Target `libtorch`: headers and libraries of the pip wheel `torch` (2.11 to 2.13).
# The target is made here, because find_package(Torch) requires the CUDA toolkit if the wheel is for CUDA.
# LORALENS_TORCH: the folder of the Python package (.../site-packages/torch).
if(NOT LORALENS_TORCH)
  file(GLOB LORALENS_TORCH ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
endif()
if(NOT EXISTS ${LORALENS_TORCH}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "No LibTorch at '${LORALENS_TORCH}': run ./run-tests once, or give -DLORALENS_TORCH=.../site-packages/torch")
endif()

# The wheel's include/ also holds fmt, google, ... in other versions than Debian's. The compiler therefore gets a folder
# with links to LibTorch's own parts only.
set(torch_include ${CMAKE_BINARY_DIR}/torch-include)
file(MAKE_DIRECTORY ${torch_include})
set(torch_parts ATen c10 torch caffe2)
foreach(part ${torch_parts})
  file(CREATE_LINK ${LORALENS_TORCH}/include/${part} ${torch_include}/${part} SYMBOLIC)
endforeach()

add_library(libtorch INTERFACE)
target_include_directories(libtorch SYSTEM INTERFACE $<BUILD_INTERFACE:${torch_include}>)
target_link_directories(libtorch INTERFACE $<BUILD_INTERFACE:${LORALENS_TORCH}/lib>)
target_link_options(libtorch INTERFACE -Wl,--no-as-needed)
# libstdc++ is linked first: libraries of the wheels export parts of another libstdc++, and a program that is linked
# with those parts crashes (std::filesystem::remove_all of the CUDA wheel of 2.11).
target_link_libraries(libtorch INTERFACE stdc++ torch_cpu c10)
if(EXISTS ${LORALENS_TORCH}/lib/libtorch_cuda.so)
  target_link_libraries(libtorch INTERFACE torch_cuda c10_cuda)
endif()
target_compile_definitions(libtorch INTERFACE AT_PER_OPERATOR_HEADERS)
