# The emulator of CUDA on the CPU and its own tests. Needs CXX. MX_CUDA_HOST_OPTIONS: how .cu files and the emulator
# compile; `-x c++` because g++ does not know .cu, no strict aliasing because nvcc has none, `#pragma unroll` is nvcc's.
set(MX_CUDA_HOST_OPTIONS -std=c++17 -fno-strict-aliasing -Wno-unknown-pragmas -Wno-conversion)

file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cpp)
add_library(cuda_host STATIC ${sources})
target_include_directories(cuda_host BEFORE PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_compile_options(cuda_host PRIVATE -std=c++17)
target_link_libraries(cuda_host PUBLIC Threads::Threads)

file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/test_*.cu)
foreach(file ${tests})
  get_filename_component(name ${file} NAME_WE)
  set_source_files_properties(${file} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++;${MX_CUDA_HOST_OPTIONS}")
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE cuda_host)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS cuda_host)
endforeach()
