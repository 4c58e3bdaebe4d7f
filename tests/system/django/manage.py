"""As django-admin makes it; `tour.py` has what the test does with the application."""
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

from django.core.management import execute_from_command_line

execute_from_command_line(sys.argv)
