-- app: a Prisma application (scheduling, billing)
-- orm: Prisma, TypeScript
-- remark: Prisma writes DateTime as milliseconds since 1970
-- expect: User.createdAt timestamp(3) without time zone
-- expect: User.emailVerified timestamp(3) without time zone
-- expect: Booking.startTime timestamp(3) without time zone
-- expect: Booking.paid boolean
-- expect: Invoice.total numeric
-- expect: Booking.metadata json
-- expect: Attachment.bytes bytea
-- expect: Invoice.views bigint
CREATE TABLE "_prisma_migrations" ("id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL,
  "logs" TEXT, "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp, "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0);
CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "email" TEXT NOT NULL, "name" TEXT, "role" TEXT NOT NULL DEFAULT 'USER', "emailVerified" DATETIME,
  "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" DATETIME NOT NULL);
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
CREATE TABLE "Booking" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" TEXT NOT NULL, "userId" TEXT, "startTime" DATETIME NOT NULL, "paid" BOOLEAN NOT NULL DEFAULT false,
  "metadata" JSONB, "rating" REAL, CONSTRAINT "Booking_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE SET NULL ON UPDATE CASCADE);
CREATE UNIQUE INDEX "Booking_uid_key" ON "Booking"("uid");
CREATE INDEX "Booking_startTime_idx" ON "Booking"("startTime");
CREATE TABLE "Invoice" ("id" TEXT NOT NULL PRIMARY KEY, "bookingId" INTEGER NOT NULL, "total" DECIMAL NOT NULL, "tax" DECIMAL NOT NULL DEFAULT 0, "views" BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT "Invoice_bookingId_fkey" FOREIGN KEY ("bookingId") REFERENCES "Booking" ("id") ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE "Attachment" ("id" TEXT NOT NULL PRIMARY KEY, "bytes" BLOB NOT NULL, "name" TEXT NOT NULL);
CREATE TABLE "_BookingToTag" ("A" INTEGER NOT NULL, "B" TEXT NOT NULL, CONSTRAINT "_BookingToTag_A_fkey" FOREIGN KEY ("A") REFERENCES "Booking" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "_BookingToTag_B_fkey" FOREIGN KEY ("B") REFERENCES "Tag" ("id") ON DELETE CASCADE ON UPDATE CASCADE);
CREATE UNIQUE INDEX "_BookingToTag_AB_unique" ON "_BookingToTag"("A", "B");
CREATE INDEX "_BookingToTag_B_index" ON "_BookingToTag"("B");
CREATE TABLE "Tag" ("id" TEXT NOT NULL PRIMARY KEY, "label" TEXT NOT NULL);
INSERT INTO "_prisma_migrations" VALUES ('0f6b3f4e-6f0a-4e0c-9e61-2d0f1f5f3a11','e3b0c442',1709290000123,'20240301_init',NULL,NULL,1709290000001,1);
INSERT INTO "User" VALUES ('clt7u0000','ada@example.org','Ada','ADMIN',1709290001000,1709290000123,1709290000123),
  ('clt7u0001','bob@example.org',NULL,'USER',NULL,1709290000124,253402300799999);
INSERT INTO "Booking" VALUES (1,'b-1','clt7u0000',1709300000000,1,'{"guests":["x@example.org"],"n":1.0}',4.5),(2,'b-2',NULL,1709300000001,0,NULL,NULL);
INSERT INTO "Invoice" VALUES ('i1',1,129.95,20.75,9007199254740993),('i2',1,100,0,0);
INSERT INTO "Attachment" VALUES ('a1',x'89504e470d0a1a0a00','pixel.png');
INSERT INTO "Tag" VALUES ('t1','urgent'),('t2','später');
INSERT INTO "_BookingToTag" VALUES (1,'t1'),(1,'t2');
-- following
INSERT INTO "Booking" ("uid","userId","startTime","paid","metadata") VALUES ('b-3','clt7u0001',1709400000999,0,'[]');
UPDATE "User" SET "emailVerified" = -86400001, "updatedAt" = 1709290009999 WHERE id = 'clt7u0001';
DELETE FROM "_BookingToTag" WHERE "A" = 1 AND "B" = 't2';
UPDATE "Invoice" SET total = 0.1 WHERE id = 'i2';
