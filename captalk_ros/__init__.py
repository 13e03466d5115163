"""CapTalk for ROS 2: speech and two plain-English captions in, FLAME face motion out."""

# In the source tree this folder hides the installed `captalk_ros.msg`; joining the paths shows both.
__path__ = __import__("pkgutil").extend_path(__path__, __name__)
__version__ = "0.1.0"
