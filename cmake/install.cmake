# What `make install` puts in place beside the command: libmixmae.so and .a, mixmae.h, mixmae.pc, manual pages,
# completion scripts, recipes. Included by CMakeLists.txt after the targets.
include(GNUInstallDirs)

install(FILES include/mixmae.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS mixmae_core ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(MIXMAE_SHARED)
  add_library(mixmae_shared SHARED $<TARGET_OBJECTS:mixmae_core> ${MX_KERNEL_OBJECTS})
  get_target_property(needs mixmae_core INTERFACE_LINK_LIBRARIES)
  target_link_libraries(mixmae_shared PRIVATE ${needs})
  set_target_properties(mixmae_shared PROPERTIES OUTPUT_NAME mixmae LINKER_LANGUAGE C VERSION ${PROJECT_VERSION}
                        SOVERSION ${PROJECT_VERSION_MAJOR})
  target_link_options(mixmae_shared PRIVATE LINKER:-z,nodelete) # its threads sleep until the process ends
  install(TARGETS mixmae_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

# mixmae.pc finds its prefix from where it lies, so a tree may be installed anywhere and moved. What libmixmae.a
# needs stands in Libs.private (pkg-config --static); as -l flags and not Requires.private, so that a program that
# uses the .so needs no development package but this one.
file(RELATIVE_PATH MX_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" MX_UP "${MX_UP}")
foreach(format ${MX_FORMATS_FOUND})
  list(APPEND MX_PRIVATE ${${format}_LDFLAGS})
endforeach()
list(APPEND MX_PRIVATE ${JANSSON_LDFLAGS} ${INIH_LDFLAGS} ${PROTOBUFC_LDFLAGS}
               ${LIBZIP_LDFLAGS} ${LIBARCHIVE_LDFLAGS} ${MX_CUDA_LDFLAGS})
list(REMOVE_DUPLICATES MX_PRIVATE)
foreach(dir ${CMAKE_C_IMPLICIT_LINK_DIRECTORIES})
  list(REMOVE_ITEM MX_PRIVATE -L${dir})
endforeach()
list(JOIN MX_PRIVATE " " MX_PRIVATE)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/mixmae.pc @ONLY CONTENT
"prefix=\${pcfiledir}/@MX_UP@
libdir=\${prefix}/@CMAKE_INSTALL_LIBDIR@
includedir=\${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: mixmae
Description: MixMAE image encoders: features, classes, pretraining
Version: @PROJECT_VERSION@
Libs: -L\${libdir} -lmixmae
Libs.private: @MX_PRIVATE@ -pthread -lm
Cflags: -I\${includedir}
")
install(FILES ${CMAKE_BINARY_DIR}/mixmae.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/mixmae)

# Pages and scripts come from the program's own tables; the program itself says which commands there are.
install(CODE "
  set(mixmae \"$<TARGET_FILE:mixmae>\")
  set(made \"${CMAKE_BINARY_DIR}/pages\")
  file(REMOVE_RECURSE \"\${made}\")
  execute_process(COMMAND \"\${mixmae}\" --list-commands OUTPUT_VARIABLE commands
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE \"\\n\" \";\" commands \"\${commands}\")
  foreach(command \"\" \${commands})
    set(page mixmae)
    if(command)
      set(page mixmae-\${command})
    endif()
    execute_process(COMMAND \"\${mixmae}\" --help-man \${command} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
    file(WRITE \"\${made}/man1/\${page}.1\" \"\${text}\")
  endforeach()
  foreach(shell bash zsh fish)
    execute_process(COMMAND \"\${mixmae}\" --completion \${shell} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
    file(WRITE \"\${made}/\${shell}\" \"\${text}\")
  endforeach()
")
install(DIRECTORY ${CMAKE_BINARY_DIR}/pages/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${CMAKE_BINARY_DIR}/pages/bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME mixmae)
install(FILES ${CMAKE_BINARY_DIR}/pages/zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _mixmae)
install(FILES ${CMAKE_BINARY_DIR}/pages/fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
        RENAME mixmae.fish)
