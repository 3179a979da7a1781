# The backends beside ref. cpu: the files directly in src/ops/cpu are compiled once; those in src/ops/cpu/kernels once
# for each instruction set, their public names through MX_ISA_NAME(), and the best one is chosen at run time.
# Sets MX_ISAS, and MX_KERNEL_OBJECTS for libmixmae.so.
set(MX_ISAS generic avx2 avx512 avx512bf16)
set(MX_FLAGS_generic "")
set(MX_FLAGS_avx2 -march=x86-64-v3)
set(MX_FLAGS_avx512 -march=x86-64-v4 -mprefer-vector-width=512)
set(MX_FLAGS_avx512bf16 ${MX_FLAGS_avx512} -mavx512bf16)
if(MIXMAE_CPU)
  file(GLOB sources CONFIGURE_DEPENDS src/ops/cpu/*.c)
  file(GLOB kernels CONFIGURE_DEPENDS src/ops/cpu/kernels/*.c)
  target_sources(mixmae_core PRIVATE ${sources})
  target_link_libraries(mixmae_core PUBLIC ${CMAKE_DL_LIBS}) # oneDNN, the benchmark's yardstick, is loaded by name
  target_compile_definitions(mixmae_core PUBLIC MX_WITH_CPU)
  foreach(isa ${MX_ISAS})
    add_library(mixmae_cpu_${isa} OBJECT ${kernels})
    target_compile_options(mixmae_cpu_${isa} PRIVATE ${MX_FLAGS_${isa}})
    target_compile_definitions(mixmae_cpu_${isa} PRIVATE MX_ISA=${isa} MX_ISA_${isa})
    target_sources(mixmae_core PRIVATE $<TARGET_OBJECTS:mixmae_cpu_${isa}>)
    list(APPEND MX_KERNEL_OBJECTS $<TARGET_OBJECTS:mixmae_cpu_${isa}>)
  endforeach()
endif()

if(MIXMAE_MOCK)
  target_sources(mixmae_core PRIVATE src/ops/mock/backend.c)
  target_compile_definitions(mixmae_core PRIVATE MX_WITH_MOCK)
endif()
