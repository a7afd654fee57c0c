"""Installs the nodes, and the repository's only copies of the launch and RViz files beside them."""

import os
from glob import glob

from setuptools import find_packages, setup

PACKAGE = "ivlm_ros"
SHARE = f"share/{PACKAGE}"


def repository_files(pattern: str) -> list[str]:
    """Return files of the repository's top level, relative to this folder.

    colcon runs this file with the package folder as working directory, possibly through a symbolic
    link, so the real place of the file decides. A package that was copied out of the repository
    cannot find them: building it would install nodes without their launch files.
    """
    here = os.path.dirname(os.path.realpath(__file__))
    root = os.path.dirname(os.path.dirname(os.path.dirname(here)))
    found = [os.path.relpath(path) for path in sorted(glob(os.path.join(root, pattern)))]
    if not found:
        raise FileNotFoundError(
            f"no {pattern} in {root}: build {PACKAGE} inside its repository, or link its folder "
            "into the workspace (ln -s) instead of copying it"
        )
    return found


setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={PACKAGE: ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", repository_files("launch/*.launch.py")),
        (f"{SHARE}/rviz", repository_files("rviz/*.rviz")),
        (f"{SHARE}/config", ["config/ivlm_node.yaml"]),
        (f"{SHARE}/security", ["security/ivlm_node.policy.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="InteractVLM-ROS maintainers",
    maintainer_email="maintainers@example.com",
    description="Camera image and object label to 3-D contact and affordance on meshes",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "ivlm_node = ivlm_ros.__main__:main",
            "image_replay = ivlm_ros.image_replay:main",
        ],
    },
)
