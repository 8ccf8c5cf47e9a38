# cmake --install: the program, the libraries with their headers, and the package for find_package.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/resgrad)

# The OpenMP variant of OpenBLAS at run time, too, not the one that Debian's alternatives point at.
set_target_properties(resgrad PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS resgrad)
get_property(layers GLOBAL PROPERTY RESGRAD_LAYERS)
list(REMOVE_ITEM layers cli)  # the program's, not for users
list(TRANSFORM layers PREPEND resgrad_ OUTPUT_VARIABLE layer_targets)
install(TARGETS resgrad_options ${layer_targets} resgrad_all EXPORT resgrad)
install(EXPORT resgrad NAMESPACE resgrad:: FILE resgradTargets.cmake DESTINATION ${package_folder})

foreach(header IN LISTS RESGRAD_PUBLIC_HEADERS)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${PROJECT_BINARY_DIR}/include/resgrad/${header}
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/resgrad/${folder})
endforeach()

configure_package_config_file(cmake/resgradConfig.cmake.in ${PROJECT_BINARY_DIR}/resgradConfig.cmake
                              INSTALL_DESTINATION ${package_folder}
                              NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/resgradConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/resgradConfig.cmake
              ${PROJECT_BINARY_DIR}/resgradConfigVersion.cmake
              cmake/FindOpenBLASOpenMP.cmake
        DESTINATION ${package_folder})
