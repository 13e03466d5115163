"""The ROS 2 nodes; convert.py alone builds and reads messages."""
