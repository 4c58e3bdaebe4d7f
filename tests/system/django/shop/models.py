"""Every field that Django has, and what its migrations make: keys of each kind, relations, constraints, indexes."""
import os
import uuid

from django.db import models
from django.db.models import CASCADE, SET_NULL, Index, Q
from django.db.models.functions import Lower

SECOND = os.environ.get("SHOP_RELEASE") == "2"  # the application's next release, with a migration


class Author(models.Model):
    name = models.CharField(max_length=80, unique=True)
    email = models.EmailField(blank=True)
    knows = models.ManyToManyField("self", blank=True)
    if SECOND:  # AddField, AddIndex
        note = models.CharField(max_length=20, null=True)
        joined = models.DateTimeField(null=True, db_index=True)

    class Meta:
        indexes = [Index(Lower("name"), name="author_lower_name")]
        if SECOND:
            indexes += [Index(fields=["email", "-name"], name="author_email_name")]


class Profile(models.Model):
    author = models.OneToOneField(Author, CASCADE, primary_key=True)
    site = models.URLField(null=True)
    settings = models.JSONField(default=dict)


class Editor(Author):  # a table of its own that goes with Author's row
    since = models.DateField(null=True)


class Tag(models.Model):
    id = models.AutoField(primary_key=True)
    slug = models.SlugField(unique=True)


class Numbered(models.Model):
    code = models.CharField(max_length=10, primary_key=True)
    small = models.SmallIntegerField(default=0)
    positive = models.PositiveIntegerField(default=0)
    positive_small = models.PositiveSmallIntegerField(default=0)
    positive_big = models.PositiveBigIntegerField(default=0)
    whole = models.IntegerField(default=0)
    big = models.BigIntegerField(null=True)


if SECOND:  # CreateModel
    class Shelf(models.Model):
        name = models.CharField(max_length=9)
        filled = models.DateTimeField(null=True)
        works = models.ManyToManyField("Work", blank=True)


class Work(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=80)
    text = models.TextField(blank=True)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    rate = models.DecimalField(max_digits=12 if SECOND else 9, decimal_places=6, null=True)  # AlterField
    ratio = models.FloatField(null=True)
    born = models.DateField(null=True)
    at = models.DateTimeField(db_index=True)
    opens = models.TimeField(null=True)
    took = models.DurationField(null=True)
    data = models.JSONField(null=True)
    blob = models.BinaryField(null=True)
    ip = models.GenericIPAddressField(null=True)
    token = models.UUIDField(null=True, unique=True)
    done = models.BooleanField(default=False)
    maybe = models.BooleanField(null=True)
    paper = models.FileField(upload_to="papers", blank=True)
    author = models.ForeignKey(Author, CASCADE)
    editor = models.ForeignKey(Author, SET_NULL, null=True, related_name="edited")
    parent = models.ForeignKey("self", CASCADE, null=True)
    tags = models.ManyToManyField(Tag)

    class Meta:
        db_table = "Shop_Work"
        unique_together = [("author", "title")]
        constraints = [
            models.CheckConstraint(check=Q(price__gte=-5 if SECOND else 0), name="price_not_negative"),
            models.UniqueConstraint(fields=["title"], condition=Q(done=True), name="one_done_of_a_title"),
        ]
