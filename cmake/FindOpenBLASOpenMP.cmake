# The OpenMP variant of OpenBLAS as the target OpenBLAS::OpenMP, wherever Debian's alternatives point:
# a pthread OpenBLAS beside our own OpenMP loops would use twice the threads. On other systems
# -DOpenBLAS_DIR= says where it is.
find_package(OpenBLAS CONFIG QUIET NO_DEFAULT_PATH
             PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp/cmake/openblas)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenBLASOpenMP
                                  REQUIRED_VARS OpenBLAS_LIBRARIES OpenBLAS_INCLUDE_DIRS
                                  VERSION_VAR OpenBLAS_VERSION)
if(OpenBLASOpenMP_FOUND AND NOT TARGET OpenBLAS::OpenMP)
  add_library(OpenBLAS::OpenMP UNKNOWN IMPORTED)
  set_target_properties(OpenBLAS::OpenMP PROPERTIES
                        IMPORTED_LOCATION ${OpenBLAS_LIBRARIES}
                        INTERFACE_INCLUDE_DIRECTORIES ${OpenBLAS_INCLUDE_DIRS})
endif()
