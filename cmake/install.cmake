# cmake --install: the program, the libraries with their headers, and the package for find_package.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/resgrad)

# The OpenMP variant of OpenBLAS at run time, too, not the one that Debian's alternatives point at.
set_target_properties(resgrad PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS resgrad)
install(TARGETS resgrad_options resgrad_kernels resgrad_core resgrad_ops resgrad_nn resgrad_models
                resgrad_data resgrad_optim resgrad_io resgrad_log resgrad_train
                resgrad_catalogue resgrad_all
        EXPORT resgrad)
install(EXPORT resgrad NAMESPACE resgrad:: FILE resgradTargets.cmake DESTINATION ${package_folder})

# Not for users: the command line, vector code, and what needs xtensor.
install(DIRECTORY core nn models data train DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/resgrad
        FILES_MATCHING PATTERN *.h
        PATTERN cli EXCLUDE PATTERN *_isa.h EXCLUDE PATTERN xtensor.h EXCLUDE PATTERN adapt.h EXCLUDE)

configure_package_config_file(cmake/resgradConfig.cmake.in ${PROJECT_BINARY_DIR}/resgradConfig.cmake
                              INSTALL_DESTINATION ${package_folder}
                              NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/resgradConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/resgradConfig.cmake
              ${PROJECT_BINARY_DIR}/resgradConfigVersion.cmake
              cmake/FindOpenBLASOpenMP.cmake
        DESTINATION ${package_folder})
