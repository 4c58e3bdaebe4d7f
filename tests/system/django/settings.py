"""Both databases, as ops/SWITCHING.md has it; `switching` is the recipe of that page."""
import os

SECRET_KEY = "of no use to anybody"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "shop"]
DATABASES = {
    "default": {},
    "sqlite": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SHOP_SQLITE"], "OPTIONS": {"timeout": 20}},
    "postgres": {"ENGINE": "django.db.backends.postgresql", "HOST": os.environ["SHOP_HOST"], "USER": "postgres",
                 "NAME": os.environ["SHOP_DATABASE"]},
}
DATABASE_ROUTERS = ["switching.Router"]
